package devnettest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
)

// current is the network of this test binary; a test binary is one package's.
var current atomic.Pointer[devnet.Network]

// Main runs a package's tests on a network and exits. cfg may hold search
// attributes, extra processes and a writer for progress; the rest is set here.
func Main(m *testing.M, cfg devnet.Config) {
	code, err := run(m, cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "devnet:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M, cfg devnet.Config) (code int, err error) {
	if cfg.Dir, err = os.MkdirTemp("", "holdfast-test-"); err != nil {
		return 0, err
	}
	// Postgres' own user must pass through.
	if err := os.Chmod(cfg.Dir, 0o711); err != nil {
		return 0, err
	}
	tidied, err := tidyAfter(cfg.Dir)
	if err != nil {
		return 0, err
	}
	defer func() {
		passed := code == 0 && err == nil
		tidied(passed)
		if !passed {
			fmt.Fprintln(os.Stderr, "devnet: the network's logs are in", logsOf(thisPackage()))
		}
	}()
	cfg.Fast = true
	cfg.BasePort = 0
	if cfg.Out == nil {
		cfg.Out = os.Stderr
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build included
	defer cancel()
	n, err := devnet.Start(ctx, cfg)
	if err != nil {
		return 0, err
	}
	current.Store(n)
	code = m.Run()
	stopCtx, cancelStop := context.WithTimeout(context.Background(), time.Minute)
	defer cancelStop()
	if err := n.Stop(stopCtx); err != nil {
		return code, err
	}
	return code, nil
}

// Net is the network that Main has started.
func Net(t testing.TB) *devnet.Network {
	t.Helper()
	n := current.Load()
	if n == nil {
		t.Fatal("no network: the package's TestMain must call devnettest.Main")
	}
	return n
}

// Dir makes a folder for a network that a test starts itself, and removes it
// afterwards; the logs in it are kept if the test fails. Unlike t.TempDir,
// Postgres' own user can pass through it.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "holdfast-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			into := logsOf(thisPackage() + "-" + t.Name())
			err := exec.Command("/bin/sh", "-c", keepLogs+`keep "$1" "$2"`, "keep", dir, into).Run()
			t.Log("the network's logs are in ", into, ", ", err)
		}
		if err := devnet.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// tidyAfter starts a shell that removes dir when this process has ended in any
// way: it waits for the end of its input, which the kernel closes. The returned
// function tells it whether the tests have passed, and waits until dir is gone.
// If nobody says so, the logs are kept first: a test binary that is killed, or
// runs out of time, is the one whose logs are missed.
func tidyAfter(dir string) (tidied func(passed bool), err error) {
	const script = keepLogs + `[ "$(cat)" = passed ] || keep "$1" "$3"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  elsewhere=$(readlink "$1/$2") && rm -rf "$elsewhere"
  rm -rf "$1" && exit 0
  sleep 0.5
done`
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", script, "tidy", dir, "postgres/"+postgres.ElsewhereLink, logsOf(thisPackage()))
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not with a Ctrl-C for us
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := read.Close(); err != nil {
		return nil, err
	}
	return func(passed bool) {
		if passed {
			_, _ = write.WriteString("passed")
		}
		_ = write.Close() // tells the shell to go ahead
		_ = cmd.Wait()    // what it could not remove, it has said to nobody; the folder is in /tmp
	}, nil
}
