package build_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-pay/holdfast/devnet/build"
)

// source makes a checkout with one small program in it.
func source(t *testing.T) (root string, p build.Program) {
	t.Helper()
	root = t.TempDir()
	p = build.Program{Name: "small", Module: "nodes/small", Package: "."}
	for name, text := range map[string]string{
		"go.mod":              "module github.com/holdfast-pay/holdfast\n",
		"nodes/small/go.mod":  "module small\n\ngo 1.26\n",
		"nodes/small/go.sum":  "",
		"nodes/small/main.go": "package main\n\nfunc main() {}\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOLDFAST_SOURCE", root)
	t.Setenv("GOCACHE", goCache(t))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	return root, p
}

// goCache keeps the compiler's cache while XDG_CACHE_HOME moves.
func goCache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("GOCACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "go-build")
}

func TestBuildsOnceAndAgainWhenTheSourceChanges(t *testing.T) {
	root, p := source(t)
	var out bytes.Buffer
	first, err := build.Ensure(t.Context(), &out, p)
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	again, err := build.Ensure(t.Context(), &out, p)
	if err != nil || again["small"] != first["small"] || out.Len() != 0 {
		t.Errorf("warm: %v, error %v, output %q; want %v and silence", again, err, &out, first)
	}
	main := filepath.Join(root, p.Module, "main.go")
	if err := os.WriteFile(main, []byte("package main\n\nfunc main() { println() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed, err := build.Ensure(t.Context(), &out, p)
	if err != nil || changed["small"] == first["small"] {
		t.Errorf("after a change: %v, error %v; want another name than %v", changed, err, first)
	}
}

// Invariant 1.
func TestFailedBuildLeavesNothingToUse(t *testing.T) {
	root, p := source(t)
	main := filepath.Join(root, p.Module, "main.go")
	if err := os.WriteFile(main, []byte("package main\n\nfunc main() { missing() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := build.Ensure(t.Context(), &bytes.Buffer{}, p); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("a broken source: %v", err)
		}
	}
}

// Invariant 3.
func TestConcurrentBuilds(t *testing.T) {
	_, p := source(t)
	outputs := make([]bytes.Buffer, 4)
	var all sync.WaitGroup
	for i := range outputs {
		all.Go(func() {
			if _, err := build.Ensure(t.Context(), &outputs[i], p); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	built := 0
	for i := range outputs {
		built += strings.Count(outputs[i].String(), "built small")
	}
	if built != 1 {
		t.Errorf("%d builds, want 1", built)
	}
}

func TestSourceNotFound(t *testing.T) {
	t.Setenv("HOLDFAST_SOURCE", t.TempDir())
	if _, err := build.SourceRoot(); err == nil || !strings.Contains(err.Error(), "not a checkout") {
		t.Error(err)
	}
	t.Setenv("HOLDFAST_SOURCE", "")
	t.Chdir(t.TempDir())
	if _, err := build.SourceRoot(); err == nil || !strings.Contains(err.Error(), "set HOLDFAST_SOURCE") {
		t.Error(err)
	}
}

// A new version that the patch does not fit is an error and not a silent build.
func TestPatchMustFit(t *testing.T) {
	p := build.Btcd()
	p.Name = "unfit"
	p.Patch.Edits[0].Old = "this is in no version"
	t.Setenv("GOCACHE", goCache(t))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := build.Ensure(t.Context(), &bytes.Buffer{}, p); err == nil || !strings.Contains(err.Error(), "adapt devnet/build") {
		t.Errorf("a patch that does not fit: %v", err)
	}
}

// Without the go command only what is not built yet is a reason to stop, and it is told before anything is built.
func TestGoCommandMissing(t *testing.T) {
	_, p := source(t)
	path := os.Getenv("PATH")
	t.Setenv("PATH", t.TempDir())
	const says = "the go command is missing, and small has to be built: install Go"
	if err := build.Check(p); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("check: %v", err)
	}
	if _, err := build.Ensure(t.Context(), &bytes.Buffer{}, p); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("build: %v", err)
	}
	t.Setenv("PATH", path)
	if _, err := build.Ensure(t.Context(), &bytes.Buffer{}, p); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := build.Check(p); err != nil {
		t.Errorf("a warm cache needs no compiler: %v", err)
	}
}
