package graphqlapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const nodeClient = "nodeclient"

// Clients that nobody here wrote. The test is skipped only where there is no node at all: where there is one, the packages
// must be to be had.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("node is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	h := home(t)
	payer := h.funded(t, 50_000)
	key, _ := payer.key("WRITE", nil)
	modules := nodeModules(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, node, filepath.Join(nodeClient, "client.mjs"))
	script.Env = append(os.Environ(), "MODULES="+modules, "ADDRESS="+h.address, fmt.Sprintf("PHONE=+1650%07d", uuid.New().ID()%10_000_000),
		"PAYER_KEY="+key.header.Get("X-Api-Key"), "PAYER_WALLET="+payer.wallet.ID.String())
	out, err := script.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Fatalf("%v\n%s", err, out)
	}
	if payer.balance() != 34_000 { // 20,000 out, 4,000 back
		t.Errorf("the payer has %d sat", payer.balance())
	}
}

// nodeModules installs the pinned packages once into the user's cache, keyed by the lock file.
func nodeModules(t *testing.T) string {
	t.Helper()
	pins := map[string][]byte{}
	hash := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(nodeClient, name))
		if err != nil {
			t.Fatal(err)
		}
		pins[name] = content
		hash.Write(content)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "holdfast", "npm")
	target := filepath.Join(root, "graphql-"+hex.EncodeToString(hash.Sum(nil)[:8]))
	if _, err := os.Stat(target); err == nil {
		return target
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(root, "new-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh) // gone if it was renamed
	for name, content := range pins {
		if err := os.WriteFile(filepath.Join(fresh, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = fresh
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, target); err != nil {
		if _, there := os.Stat(target); there != nil { // another test process was faster
			t.Fatal(errors.Join(err, there))
		}
	}
	return target
}
