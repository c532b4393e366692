package devnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

// topologyVersion changes with anything that a funded network consists of.
const topologyVersion = "1"

const (
	snapshotWithin = 10 * time.Minute
	snapshotUsable = 14 * 24 * time.Hour
)

// snapshotParts are what a snapshot holds, relative to a network's Dir.
func snapshotParts() []string { return []string{"btcd", "lnd"} }

// snapshotKey names what a snapshot depends on. The week is part of it, because
// lnd forgets channels of others that it has not heard of for two weeks.
func (n *Network) snapshotKey() string {
	year, week := time.Now().ISOWeek()
	return shortHash(fmt.Sprint(topologyVersion, filepath.Base(n.programs["btcd"]), filepath.Base(n.programs["lnd"]), year, week))
}

// restoreSnapshot gives a new network the chain, wallets and channels of a funded
// one, which takes seconds instead of half a minute. The snapshot is made if there
// is none.
func (n *Network) restoreSnapshot(ctx context.Context) error {
	cache, err := build.CacheDir()
	if err != nil {
		return err
	}
	dir := filepath.Join(cache, "snapshots")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := n.lockSnapshots(ctx, filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }() // the kernel does it at the latest
	snapshot := filepath.Join(dir, n.snapshotKey())
	if !intact(snapshot) {
		if _, err := os.Stat(snapshot); err == nil {
			n.say("what is prepared in %s is not whole: it is made again", snapshot)
		}
		if err := n.makeSnapshot(ctx, dir, snapshot); err != nil {
			return fmt.Errorf("prepare chain and channels: %w", err)
		}
	}
	for _, part := range snapshotParts() {
		// A copy that was cut off is started again.
		if err := os.RemoveAll(n.cfg.path(part)); err != nil {
			return err
		}
		if err := copyTree(filepath.Join(snapshot, part), n.cfg.path(part)); err != nil {
			return err
		}
	}
	n.state.Funded = true
	return n.state.save(n.cfg.path("state.json"))
}

// lockSnapshots waits for another network that makes or copies a snapshot.
func (n *Network) lockSnapshots(ctx context.Context, path string) (lock *process.Lock, err error) {
	if lock, err = process.TryLock(path); !errors.Is(err, syscall.EWOULDBLOCK) {
		return lock, err
	}
	n.say("waiting for another network that prepares or copies chain and channels")
	if process.Poll(ctx, snapshotWithin, 100*time.Millisecond, func() bool {
		lock, err = process.TryLock(path)
		return err == nil
	}) {
		return lock, nil
	}
	return nil, fmt.Errorf("another process makes or copies a snapshot and does not end: %w", err)
}

// makeSnapshot brings up chain and nodes of a network of its own, stops them and
// keeps their data.
func (n *Network) makeSnapshot(ctx context.Context, dir, target string) (err error) {
	n.say("preparing chain and channels once a week; later networks start from a copy")
	if err := dropOldSnapshots(dir); err != nil {
		return err
	}
	fresh := filepath.Join(dir, "new")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	g := &Network{cfg: Config{Dir: fresh, Out: n.cfg.Out}, programs: n.programs}
	if err := g.cfg.complete(); err != nil {
		return err
	}
	if g.lock, err = process.TryLock(g.cfg.path("lock")); err != nil {
		return err
	}
	err = g.claim()
	if err == nil {
		g.describe()
		err = g.bringTopology(ctx)
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := errors.Join(err, g.Stop(stopCtx)); err != nil {
		return err
	}
	for _, rest := range []string{"log", "run", "holds", "lock", "state.json", filepath.Join("btcd", "logs")} {
		if err := os.RemoveAll(g.cfg.path(rest)); err != nil {
			return err
		}
	}
	contents, err := listTree(fresh)
	if err == nil {
		err = writeFile(filepath.Join(fresh, manifestName), contents)
	}
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(target), os.Rename(fresh, target))
}

// manifestName is the file that says what a snapshot consists of. It is written last.
const manifestName = "manifest"

// intact reports whether a snapshot is there and nothing of it is missing: the cache is the user's, and so is what removes
// old files from it.
func intact(snapshot string) bool {
	want, err := os.ReadFile(filepath.Join(snapshot, manifestName))
	if err != nil {
		return false
	}
	have, err := listTree(snapshot)
	return err == nil && bytes.Equal(have, want)
}

// listTree lists a snapshot's files with their sizes.
func listTree(snapshot string) ([]byte, error) {
	var list []byte
	for _, part := range snapshotParts() {
		err := filepath.WalkDir(filepath.Join(snapshot, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(snapshot, path)
			list = fmt.Appendf(list, "%d %s\n", info.Size(), relative)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func dropOldSnapshots(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() && time.Since(info.ModTime()) > snapshotUsable {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyTree copies folders and files with their permissions (os.CopyFS would open
// credentials to everybody).
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, info.Mode().Perm())
		}
		return copyFile(path, target, info.Mode().Perm())
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
