package build_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/devnet/build"
)

// Invariant 1: a process that is killed in the middle of a build leaves nothing that the next one trusts, and no lock.
func TestKilledBuildIsMadeAgain(t *testing.T) {
	if os.Getenv("HOLDFAST_TEST_KILLED") != "" {
		_, err := build.Ensure(t.Context(), os.Stdout, build.Program{Name: "small", Module: "nodes/small", Package: "."})
		t.Fatal("not killed: ", err)
	}
	root, p := source(t)
	// A compiler that writes half a program and kills who has called it.
	bin := filepath.Join(root, "bin")
	script := "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\nprintf half >\"$2\"\nchmod +x \"$2\"\nkill -9 $PPID\n"
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestKilledBuildIsMadeAgain$")
	child.Env = append(os.Environ(), "HOLDFAST_TEST_KILLED=yes", "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := child.CombinedOutput(); err == nil || !strings.Contains(string(out), "building small") || strings.Contains(string(out), "not killed") {
		t.Fatalf("the child was to be killed in its build: %v\n%s", err, out)
	}
	halves, err := filepath.Glob(filepath.Join(root, "cache", "holdfast", "bin", "small-*"))
	if err != nil || len(halves) != 1 {
		t.Fatalf("no half a build to be trusted: %v, %v", halves, err)
	}
	runs(t, p)
}

// A file that cannot be a program is built again.
func TestNoProgramIsBuiltAgain(t *testing.T) {
	_, p := source(t)
	for name, spoil := range map[string]func(path string) error{
		"empty":          func(path string) error { return os.Truncate(path, 0) },
		"not executable": func(path string) error { return os.Chmod(path, 0o600) },
	} {
		paths, err := build.Ensure(t.Context(), &bytes.Buffer{}, p)
		if err == nil {
			err = spoil(paths["small"])
		}
		if err != nil {
			t.Fatal(name, err)
		}
		runs(t, p)
	}
}

// runs builds what is missing and runs it.
func runs(t *testing.T, p build.Program) {
	t.Helper()
	paths, err := build.Ensure(t.Context(), &bytes.Buffer{}, p)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(paths["small"]).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
