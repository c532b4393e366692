package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Patch replaces pieces of a dependency's source before it is built. The source
// itself comes from the module proxy, checked against the pinned go.sum.
type Patch struct {
	Module string // the dependency
	Edits  []Edit
}

// Edit is one replacement.
type Edit struct {
	File     string // within the dependency
	Old, New string // Old occurs exactly once
}

// patched prepares a copy of p's module in dir that replaces the dependency by a
// patched copy of its source.
func (p Program) patched(ctx context.Context, tool, module, dir string) error {
	source, err := downloaded(ctx, tool, module, p.Patch.Module)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	copied := filepath.Join(dir, "source")
	if err := copySources(source, copied); err != nil {
		return err
	}
	for _, edit := range p.Patch.Edits {
		if err := edit.apply(copied); err != nil {
			return fmt.Errorf("patch %s: %w", p.Patch.Module, err)
		}
	}
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return err
	}
	mod = fmt.Appendf(mod, "\nreplace %s => ./source\n", p.Patch.Module)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), mod, 0o600),
		os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o600),
	)
}

func (e Edit) apply(dir string) error {
	file := filepath.Join(dir, e.File)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if bytes.Count(text, []byte(e.Old)) != 1 {
		return fmt.Errorf("%s is not what the patch expects: adapt devnet/build to the new version", e.File)
	}
	return os.WriteFile(file, bytes.Replace(text, []byte(e.Old), []byte(e.New), 1), 0o600)
}

// downloaded is the folder of a dependency in the module cache.
func downloaded(ctx context.Context, tool, module, dependency string) (string, error) {
	cmd := exec.CommandContext(ctx, tool, "mod", "download", "-json", dependency)
	cmd.Dir, cmd.Env = module, goEnv()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", dependency, err, out)
	}
	var info struct{ Dir string }
	err = json.Unmarshal(out, &info)
	return info.Dir, err
}

// copySources copies a module out of the cache, where nothing may be written.
func copySources(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o600)
	})
}

func goEnv() []string { return append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly") }
