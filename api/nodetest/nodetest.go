package nodetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	installWithin = 3 * time.Minute
	runWithin     = 2 * time.Minute
)

// Run runs script with the packages that folder's package-lock.json pins, and expects it to print "ok" and nothing else.
// It finds them by NODE_PATH, and by MODULES where it imports ES modules. env are KEY=VALUE.
func Run(t testing.TB, folder, script string, env ...string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("node is not installed")
	}
	must(t, err)
	installed := install(t, folder)
	ctx, cancel := context.WithTimeout(t.Context(), runWithin)
	defer cancel()
	client := exec.CommandContext(ctx, node, filepath.Join(folder, script))
	client.Env = append(os.Environ(), "NODE_NO_WARNINGS=1", "MODULES="+installed, "NODE_PATH="+filepath.Join(installed, "node_modules"))
	client.Env = append(client.Env, env...)
	out, err := client.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// install gives the folder in the user's cache that has the pinned packages, keyed by the lock file.
func install(t testing.TB, folder string) string {
	t.Helper()
	pins := map[string][]byte{}
	hash := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		must(t, err)
		pins[name] = content
		hash.Write(content)
	}
	cache, err := os.UserCacheDir()
	must(t, err)
	root := filepath.Join(cache, "holdfast", "npm")
	target := filepath.Join(root, hex.EncodeToString(hash.Sum(nil)[:8]))
	if _, err := os.Stat(target); err == nil {
		return target
	}
	must(t, os.MkdirAll(root, 0o755))
	fresh, err := os.MkdirTemp(root, "new-")
	must(t, err)
	defer func() { _ = os.RemoveAll(fresh) }() // gone if it was renamed
	for name, content := range pins {
		must(t, os.WriteFile(filepath.Join(fresh, name), content, 0o644))
	}
	ctx, cancel := context.WithTimeout(t.Context(), installWithin)
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
