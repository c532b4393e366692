package devnet_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

// ownCache gives the test a cache of its own, with the programs of the user's, and with its snapshots without one part.
func ownCache(t *testing.T, without string) (dir string) {
	t.Helper()
	users, err := build.CacheDir()
	must(t, err)
	dir = filepath.Join(t.TempDir(), "holdfast")
	t.Setenv("XDG_CACHE_HOME", filepath.Dir(dir))
	must(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o700))
	programs, err := os.ReadDir(filepath.Join(users, "bin"))
	must(t, err)
	for _, p := range programs {
		if !strings.HasPrefix(p.Name(), ".") {
			must(t, os.Symlink(filepath.Join(users, "bin", p.Name()), filepath.Join(dir, "bin", p.Name())))
		}
	}
	must(t, os.CopyFS(filepath.Join(dir, "snapshots"), os.DirFS(filepath.Join(users, "snapshots"))))
	kept, err := filepath.Glob(filepath.Join(dir, "snapshots", "*", without))
	must(t, err)
	if len(kept) == 0 {
		t.Fatal("there is no snapshot to damage")
	}
	for _, part := range kept {
		must(t, os.RemoveAll(part))
	}
	return dir
}

// told collects what a start says, and acts when it says something.
type told struct {
	bytes.Buffer
	when string
	do   func()
}

func (o *told) Write(line []byte) (int, error) {
	if o.do != nil && strings.Contains(string(line), o.when) {
		o.do()
		o.do = nil
	}
	return o.Buffer.Write(line)
}

// Invariant 6: a snapshot that lacks a part is made again. Who has to wait for another network is told so.
func TestSnapshotThatLacksAPartIsMadeAgain(t *testing.T) {
	cache := ownCache(t, "lnd")
	lock, err := process.TryLock(filepath.Join(cache, "snapshots", ".lock"))
	must(t, err)
	out := &told{when: "waiting for another network", do: func() { must(t, lock.Unlock()) }}
	ctx := ctxFor(t, 3*time.Minute)
	n, err := devnet.Start(ctx, devnet.Config{Dir: devnettest.Dir(t), Fast: true, Out: out})
	if err != nil {
		t.Fatalf("%v, after\n%s", err, out)
	}
	defer func() { must(t, n.Stop(ctx)) }()
	for _, want := range []string{"waiting for another network", "preparing chain and channels", "is not whole"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	pay(ctx, t, &n.Operations, "bank", "bob", 1000)
}

// A program that cannot be executed is named, with what to do.
func TestDamagedProgramIsNamed(t *testing.T) {
	cache := ownCache(t, "lnd")
	found, err := filepath.Glob(filepath.Join(cache, "bin", "btcd-*"))
	must(t, err)
	for _, path := range found {
		must(t, os.Remove(path))
		must(t, os.WriteFile(path, []byte("no program"), 0o700)) //nolint:gosec // it is to be run
	}
	_, err = devnet.Start(ctxFor(t, time.Minute), devnet.Config{Dir: devnettest.Dir(t), Fast: true})
	if err == nil || !strings.Contains(err.Error(), "damaged, remove "+filepath.Join(cache, "bin", "btcd-")) {
		t.Error(err)
	}
}
