// Package holdfast_test checks the house as a whole: who may import whom, and that files stay small.
package holdfast_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/holdfast-pay/holdfast"

// room is a package or a tree of packages, and what of ours it may import besides its own tree.
type room struct {
	name string // folder below the module's root; its subfolders belong to it unless they have a room of their own
	sees []string
}

// rooms is the direction of imports (ARCHITECTURE.md): cmd and demo on top, payment at the bottom, nothing points back.
// An entry "x" means the package x, "x/..." its subfolders too.
var rooms = []room{
	{"payment", nil},
	{"payment/statediagram", []string{"payment"}},
	{"identity", []string{"payment"}},
	{"telemetry", []string{"payment"}},
	{"codec", []string{"payment"}},
	{"lndclient", []string{"payment"}},
	{"ledger", []string{"payment"}},
	{"callback", []string{"payment", "ledger"}},
	{"activities/step", []string{"payment"}},
	{"activities", []string{"payment", "activities/step", "ledger", "callback", "lndclient"}},
	{"workflows", []string{"payment", "activities/step"}},
	{"starter", []string{"payment", "activities/step", "workflows", "ledger", "lndclient"}},
	{"worker", []string{"payment", "activities/step", "activities", "workflows", "starter", "ledger", "callback", "lndclient", "telemetry"}},
	// The doors read the ledger, write what owners set there, and move money through starter: activities, workflows and lndclient
	// are not theirs to see.
	{"api", []string{"payment", "starter", "ledger", "callback", "identity", "telemetry"}},
	// devnet is the outside world: it knows nothing of the product, and the product nothing of it.
	{"devnet", nil},
	{"demo", []string{"payment", "identity", "ledger", "starter", "devnet/..."}},
	{"cmd", []string{"payment", "identity", "telemetry", "codec", "lndclient", "ledger", "callback", "activities", "workflows",
		"starter", "worker", "api/...", "demo", "devnet/..."}},
}

// testRooms serve tests only. They may see everything but cmd, and nothing of the product may see them.
var testRooms = []string{
	"bench", "e2e", "devnet/devnettest", "ledger/ledgertest", "lndclient/lndfake", "lndclient/conformance", "workflows/historytest",
	"api/nodetest", "payment/paymenttest",
}

// outsiders are imports from elsewhere that belong into one room.
var outsiders = []struct {
	prefix string
	only   []string
	why    string
}{
	{"github.com/lightningnetwork/lnd", []string{"lndclient", "devnet"}, "lndclient is the only place that knows lnrpc; devnet has a client of its own"},
	{"github.com/standard-webhooks", []string{"callback"}, "callback is what signs"},
	{"github.com/jackc/pgx", []string{"ledger", "devnet", "cmd"}, "ledger is the only door to money"},
	{"database/sql", []string{"ledger"}, "ledger is the only door to money"},
	{"go.temporal.io/sdk/client", []string{"starter", "worker", "cmd"}, "starter is the only door to Temporal"},
	{"go.temporal.io/sdk/testsuite", nil, "it is for tests"},
	{"testing", nil, "it is for tests"},
}

// deterministic is all that workflows may import of others.
var deterministic = []string{"fmt", "strings", "time", "errors", "slices", "go.temporal.io/sdk/workflow", "go.temporal.io/sdk/temporal"}

type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string // of its files without the tests
	GoFiles    []string
	TestFiles  []string `json:"TestGoFiles"`
	XTestFiles []string `json:"XTestGoFiles"`
	Doc        string
}

func TestDirectionOfImports(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, wrong := range violations(p) {
			t.Error(wrong)
		}
	}
}

// A room without a package, and a leave that nobody takes, would only mislead.
func TestRoomsAreLivedIn(t *testing.T) {
	t.Parallel()
	for _, idle := range unused(packages(t)) {
		t.Error(idle)
	}
}

// The check must notice what it is for.
func TestRoomsAreLivedInNoticesIdleOnes(t *testing.T) {
	t.Parallel()
	var lonely []pkg // each room has a package, and none imports anything
	for _, r := range rooms {
		lonely = append(lonely, pkg{ImportPath: module + "/" + r.name})
	}
	entries := 0
	for _, r := range rooms {
		entries += len(r.sees)
	}
	if got := len(unused(lonely)); got != entries {
		t.Errorf("%d of %d entries that nobody uses are noticed", got, entries)
	}
	if got := len(unused(nil)); got != len(rooms)+entries {
		t.Errorf("without packages %d of %d rooms and entries are noticed", got, len(rooms)+entries)
	}
}

// unused lists rooms without a package, and entries of rooms that no import needs.
func unused(all []pkg) []string {
	lived, taken := map[string]bool{}, map[string]bool{}
	for _, p := range all {
		home, found := roomOf(strings.TrimPrefix(p.ImportPath, module+"/"))
		if !found {
			continue
		}
		lived[home.name] = true
		for _, imported := range p.Imports {
			other := strings.TrimPrefix(imported, module+"/")
			for _, entry := range home.sees {
				if allows(entry, other) {
					taken[home.name+" "+entry] = true
				}
			}
		}
	}
	var out []string
	for _, r := range rooms {
		if !lived[r.name] {
			out = append(out, r.name+" is a room without a package: delete it from the rooms of architecture_test.go")
		}
		for _, entry := range r.sees {
			if !taken[r.name+" "+entry] {
				out = append(out, fmt.Sprintf("%s may see %s and does not: delete the entry", r.name, entry))
			}
		}
	}
	return out
}

// The check must notice what it is for.
func TestDirectionOfImportsNoticesViolations(t *testing.T) {
	t.Parallel()
	for importer, imported := range map[string]string{
		"payment":               module + "/identity",
		"ledger":                module + "/lndclient",
		"lndclient":             module + "/ledger/ledgertest",
		"activities":            module + "/starter",
		"activities/step":       module + "/activities",
		"workflows":             module + "/activities",
		"worker":                module + "/cmd/holdfast",
		"api/graphql":           module + "/workflows",
		"callback":              module + "/activities/step",
		"starter":               module + "/devnet/postgres",
		"devnet":                module + "/payment",
		"e2e":                   module + "/cmd/holdfast",
		"identity":              "github.com/jackc/pgx/v5",
		"activities/lightning":  "github.com/lightningnetwork/lnd/lnrpc",
		"workflows/sub":         "math/rand",
		"cmd/holdfast":          "go.temporal.io/sdk/testsuite",
		"somewhere/without/one": "fmt",
	} {
		p := pkg{ImportPath: module + "/" + importer, Imports: []string{imported}}
		if len(violations(p)) == 0 {
			t.Errorf("%s may import %s", importer, imported)
		}
	}
}

// violations lists the imports that a package must not have.
func violations(p pkg) []string {
	name := strings.TrimPrefix(p.ImportPath, module+"/")
	testOnly := inside(name, testRooms)
	home, found := roomOf(name)
	if !found && !testOnly {
		return []string{name + " has no room: add it to the rooms of architecture_test.go, with what it may see"}
	}
	var out []string
	for _, imported := range p.Imports {
		other, ours := strings.CutPrefix(imported, module+"/")
		switch {
		case ours && inside(other, []string{"cmd"}) && !inside(name, []string{"cmd"}):
			out = append(out, name+" imports "+other+": nobody imports cmd")
		case testOnly:
		case ours && inside(other, testRooms):
			out = append(out, name+" imports "+other+": that is for tests")
		case ours && !home.maySee(other):
			out = append(out, fmt.Sprintf("%s imports %s; it may see %v", name, other, home.sees))
		case !ours:
			out = append(out, stranger(name, imported)...)
		}
	}
	return out
}

// stranger checks an import from elsewhere.
func stranger(name, imported string) []string {
	for _, rule := range outsiders {
		if inside(imported, []string{rule.prefix}) && !inside(name, rule.only) {
			return []string{name + " imports " + imported + ": " + rule.why}
		}
	}
	if inside(name, []string{"workflows"}) && !slices.Contains(deterministic, imported) {
		return []string{name + " imports " + imported + ": workflows see nothing that is not deterministic"}
	}
	return nil
}

// roomOf finds the smallest room that a package is in.
func roomOf(name string) (home room, found bool) {
	for _, r := range rooms {
		if inside(name, []string{r.name}) && len(r.name) > len(home.name) {
			home, found = r, true
		}
	}
	return home, found
}

func (r room) maySee(other string) bool {
	at, _ := roomOf(other)
	if at.name == r.name {
		return true
	}
	return slices.ContainsFunc(r.sees, func(entry string) bool { return allows(entry, other) })
}

// allows reports whether an entry of a room is about a package.
func allows(entry, other string) bool {
	tree, whole := strings.CutSuffix(entry, "/...")
	return other == entry || whole && inside(other, []string{tree})
}

// inside reports whether a path is one of the folders or below one.
func inside(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") })
}

// undocumented are packages without a doc.go.
var undocumented = map[string]string{
	"ledger/internal/db":    "generated by sqlc",
	"api/graphql/generated": "generated by gqlgen",

	"api/grpc/gen/holdfast/payments/v1": "generated by protoc-gen-go",
	"api/grpc/gen/services/api_keys/v1": "generated by protoc-gen-go",
}

func TestEveryPackageHasADoc(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if _, excused := undocumented[name]; excused || p.ImportPath == module {
			continue
		}
		text, err := os.ReadFile(path.Join(p.Dir, "doc.go"))
		if err != nil {
			t.Errorf("%s has no doc.go that says what it owns, what it must not do, and its invariants", name)
			continue
		}
		if first, _, _ := strings.Cut(string(text), "\npackage "); !strings.HasPrefix(first, "// ") || p.Doc == "" {
			t.Errorf("%s: its doc.go has no package comment", name)
		}
	}
}

// packages lists the packages of the module, those of the tests alone included.
func packages(t *testing.T) []pkg {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles,Doc", "./...")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath != module {
			all = append(all, p)
		}
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}
