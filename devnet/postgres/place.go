package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// runAs answers the user to run the server as: ours, unless we are root, which
// PostgreSQL refuses.
func runAs() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody", "daemon"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root and there is no user postgres, nobody or daemon to run it as: create one (useradd --system postgres)")
}

// place is where a cluster lives.
type place struct {
	home string // Config.Dir: lock, pid file, password, log
	root string // holds the folder "data"; differs from home if the server's user cannot reach home
}

func (p place) data() string { return filepath.Join(p.root, "data") }

// ElsewhereLink is the symlink in Config.Dir that leads to a cluster outside of it.
const ElsewhereLink = "elsewhere"

// link is the symlink in home that leads to a root elsewhere.
func (p place) link() string { return filepath.Join(p.home, ElsewhereLink) }

// findPlace settles where the cluster lives and creates the folders. The link
// of an earlier start wins over a fresh decision.
func findPlace(dir string, cred *syscall.Credential) (place, error) {
	home, err := filepath.Abs(dir)
	if err != nil {
		return place{}, err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return place{}, err
	}
	p := place{home: home, root: home}
	switch target, err := os.Readlink(p.link()); {
	case err == nil:
		p.root = target
	case cred == nil || reachable(home):
		return p, nil
	default:
		sum := sha256.Sum256([]byte(home))
		p.root = filepath.Join(os.TempDir(), fmt.Sprintf("holdfast-postgres-%d-%x", os.Getuid(), sum[:6]))
		if err := os.Symlink(p.root, p.link()); err != nil {
			return place{}, err
		}
	}
	return p, p.claimRoot(cred)
}

// claimRoot creates a root below the shared temporary folder, or makes sure that
// an existing one is ours: anybody can create a folder there first.
func (p place) claimRoot(cred *syscall.Credential) error {
	if err := os.Mkdir(p.root, 0o700); err == nil {
		return chown(p.root, cred)
	} else if !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(p.root)
	if err != nil {
		return err
	}
	owner := uint32(os.Getuid())
	if cred != nil {
		owner = cred.Uid
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || (stat.Uid != owner && stat.Uid != uint32(os.Getuid())) {
		return fmt.Errorf("%s belongs to somebody else: remove it, or remove %s", p.root, p.link())
	}
	return chown(p.root, cred)
}

func chown(path string, cred *syscall.Credential) error {
	if cred == nil {
		return nil
	}
	return os.Chown(path, int(cred.Uid), int(cred.Gid))
}

// reachable reports whether any user may traverse to dir.
func reachable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// Remove deletes the cluster of dir, also the part that lives elsewhere. The
// server must not run.
func Remove(dir string) error {
	p := place{home: dir}
	if target, err := os.Readlink(p.link()); err == nil {
		if err := os.RemoveAll(target); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}
