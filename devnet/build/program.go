package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Program is something to build.
type Program struct {
	Name    string // of the executable
	Module  string // its module's folder below the source root
	Package string // what to build within the module
	Tags    string // build tags, separated by spaces
	Patch   *Patch // nil: the sources as they are
}

// Btcd is the Bitcoin full node, patched in three places: as released, it deletes a
// regtest chain at every start; it forgets up to five minutes of blocks when it is
// killed, and no lnd follows a chain that has become shorter; and it makes a folder
// in the user's home, which must not be touched and may not exist. Its home is
// BTCD_HOME instead.
func Btcd() Program {
	const module = "github.com/btcsuite/btcd"
	return Program{
		Name: "btcd", Module: "devnet/nodes/btcd", Package: module,
		Patch: &Patch{Module: module, Edits: []Edit{
			{File: "btcd.go", Old: "if !cfg.RegressionTest {", New: "if true {"},
			{File: "database/ffldb/dbcache.go", Old: "defaultFlushSecs = 300", New: "defaultFlushSecs = 0"},
			{File: "config.go", Old: `btcutil.AppDataDir("btcd", false)`, New: `os.Getenv("BTCD_HOME")`},
		}},
	}
}

// Lnd is the Lightning node, with the subservers that Holdfast and the network use.
func Lnd() Program {
	return Program{
		Name: "lnd", Module: "devnet/nodes/lnd", Package: "github.com/lightningnetwork/lnd/cmd/lnd",
		Tags: "chainrpc invoicesrpc peersrpc signrpc walletrpc",
	}
}

// Temporal is the embedded Temporal server with its UI.
func Temporal() Program {
	return Program{Name: "temporal", Module: "devnet/nodes/temporal", Package: "."}
}

// SourceRoot is the folder of Holdfast's own module: HOLDFAST_SOURCE, or found by
// walking up from the working directory.
func SourceRoot() (string, error) {
	if dir := os.Getenv("HOLDFAST_SOURCE"); dir != "" {
		if !isRoot(dir) {
			return "", fmt.Errorf("HOLDFAST_SOURCE=%s is not a checkout of Holdfast", dir)
		}
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for !isRoot(dir) {
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the sources of Holdfast were not found above the working directory: run this in a checkout, or set HOLDFAST_SOURCE to one")
		}
		dir = parent
	}
	return dir, nil
}

func isRoot(dir string) bool {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(mod), "\n")
	return strings.TrimSpace(first) == "module github.com/holdfast-pay/holdfast"
}

// CacheDir is the folder below which everything that can be made again is kept.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: set HOME or XDG_CACHE_HOME (%w)", err)
	}
	return filepath.Join(dir, "holdfast"), nil
}

// Key identifies what p is built from: module files, sources, tags, Go version and platform.
func (p Program) Key(root string) (string, error) {
	dir := filepath.Join(root, p.Module)
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	files = append(files, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	slices.Sort(files)
	hash := sha256.New()
	fmt.Fprintln(hash, p.Package, p.Tags, goVersion(), runtime.GOOS, runtime.GOARCH)
	if p.Patch != nil {
		fmt.Fprintln(hash, *p.Patch)
	}
	for _, file := range files {
		if err := addFile(hash, file); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

func addFile(hash io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the sources are incomplete: %w", err)
	}
	defer file.Close()
	fmt.Fprintln(hash, filepath.Base(path))
	_, err = io.Copy(hash, file)
	return err
}
