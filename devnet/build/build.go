package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/process"
)

const progressEvery = 10 * time.Second

// goVersion is the version of the Go toolchain that `go build` uses. The module
// files pin it, so the running one stands for it; a binary of ours that is run
// with another Go rebuilds at most once.
func goVersion() string { return runtime.Version() }

// Ensure returns the path of each program's executable in the cache, by name,
// building what is missing. Progress goes to out.
func Ensure(ctx context.Context, out io.Writer, programs ...Program) (map[string]string, error) {
	root, err := SourceRoot()
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, p := range programs {
		if paths[p.Name], err = p.ensure(ctx, root, out); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// Check reports at once what Ensure would fail for: it takes minutes to come to the last program.
func Check(programs ...Program) error {
	root, err := SourceRoot()
	if err != nil {
		return err
	}
	for _, p := range programs {
		target, err := p.target(root)
		if err != nil {
			return err
		}
		if built(target) {
			continue
		}
		if _, err := p.tool(); err != nil {
			return err
		}
	}
	return nil
}

// target is where p's executable lies in the cache once it is built.
func (p Program) target(root string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	key, err := p.Key(root)
	return filepath.Join(cache, "bin", p.Name+"-"+key), err
}

// built reports whether a program is in the cache. What cannot be one, as an empty file after a crash of the machine, is
// built again.
func built(target string) bool {
	info, err := os.Stat(target)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0 && info.Mode().Perm()&0o100 != 0
}

// tool is the go command.
func (p Program) tool() (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", errors.New("the go command is missing, and " + p.Name + " has to be built: install Go 1.26 or newer (https://go.dev/dl)")
	}
	return tool, nil
}

func (p Program) ensure(ctx context.Context, root string, out io.Writer) (string, error) {
	target, err := p.target(root)
	if err != nil {
		return "", err
	}
	if built(target) {
		return target, nil
	}
	dir := filepath.Dir(target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := p.lock(ctx, filepath.Join(dir, "."+p.Name+".lock"), out)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }() // the kernel does it at the latest
	if built(target) {
		return target, nil // somebody else has built it meanwhile
	}
	return target, p.build(ctx, filepath.Join(root, p.Module), target, out)
}

// lock waits for another process that builds the same program.
func (p Program) lock(ctx context.Context, path string, out io.Writer) (*process.Lock, error) {
	var lock *process.Lock
	var err error
	if lock, err = process.TryLock(path); err == nil {
		return lock, nil
	}
	fmt.Fprintf(out, "waiting for another process that builds %s\n", p.Name)
	if process.Poll(ctx, 20*time.Minute, 200*time.Millisecond, func() bool {
		lock, err = process.TryLock(path)
		return err == nil
	}) {
		return lock, nil
	}
	return nil, fmt.Errorf("another process builds %s and does not end: %w", p.Name, err)
}

func (p Program) build(ctx context.Context, module, target string, out io.Writer) error {
	tool, err := p.tool()
	if err != nil {
		return err
	}
	if p.Patch != nil {
		work := target + ".src"
		defer func() { _ = os.RemoveAll(work) }() // a rest is replaced by the next build
		if err := p.patched(ctx, tool, module, work); err != nil {
			return err
		}
		module = work
	}
	fresh := target + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) { // go build does not overwrite half a file
		return err
	}
	cmd := exec.CommandContext(ctx, tool, "build", "-ldflags=-s -w", "-tags", p.Tags, "-o", fresh, p.Package)
	cmd.Dir = module
	cmd.Env = goEnv()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	started := time.Now()
	fmt.Fprintf(out, "building %s once (cold, this takes three to eight minutes; later starts use the cache)\n", p.Name)
	stop := reportProgress(out, p.Name, started)
	err = cmd.Run()
	stop()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(output.String()), "\n")
		return fmt.Errorf("build %s: %w\n%s", p.Name, err, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
	fmt.Fprintf(out, "built %s in %s\n", p.Name, time.Since(started).Round(time.Second))
	if err := onDisk(fresh); err != nil {
		return err
	}
	return os.Rename(fresh, target)
}

// onDisk writes a file through, so that after a crash of the machine its new name does not lead to nothing.
func onDisk(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}

func reportProgress(out io.Writer, name string, started time.Time) (stop func()) {
	done := make(chan struct{})
	var finished sync.WaitGroup
	finished.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(out, "building %s: %s\n", name, time.Since(started).Round(time.Second))
			}
		}
	})
	return func() { close(done); finished.Wait() }
}
