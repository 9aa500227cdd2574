package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// fromLocal fills the entry from a local path: a directory that has its files (or, for an hf: name, a model directory), an archive
// of one of its sources, or its only file. Copies are made, so the path may go afterwards. Pinned sums hold here too.
func (p *puller) fromLocal(ctx context.Context, from string) (Result, error) {
	from, err := filepath.Abs(from)
	if err != nil {
		return Result{}, err
	}
	info, err := os.Stat(from)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", p.entry.Name, err)
	}
	out, err := p.newOutput()
	if err != nil {
		return Result{}, err
	}
	switch {
	case info.IsDir():
		err = p.copyDir(ctx, out, from)
	case len(p.entry.Files) == 1 && !p.isArchiveName(from):
		err = copyInto(ctx, out, from, p.entry.Files[0].Name)
	default:
		out, err = p.unpackLocal(ctx, from)
	}
	if err != nil {
		return Result{}, fmt.Errorf("%s: from %s: %w", p.entry.Name, from, err)
	}
	r, err := p.commit(out, from)
	if err != nil {
		return Result{}, fmt.Errorf("%s: from %s: %w (to use other files as they are, give their own path where the name is asked for)", p.entry.Name, from, err)
	}
	return r, nil
}

// copyDir copies the entry's files from a directory, or all files of one whose entry names none.
func (p *puller) copyDir(ctx context.Context, out *output, from string) error {
	if len(p.entry.Files) > 0 {
		for _, f := range p.entry.Files {
			if err := copyInto(ctx, out, filepath.Join(from, filepath.FromSlash(f.Name)), f.Name); err != nil {
				return err
			}
		}
		return nil
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && path != from {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		// A checkout of the hub's own cache has links to its blobs: follow them.
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyInto(ctx, out, path, filepath.ToSlash(rel))
	})
}

// unpackLocal reads an archive as the source that has one like it: the first whose members it has.
func (p *puller) unpackLocal(ctx context.Context, from string) (*output, error) {
	first := errors.New("give a directory that has the files of this entry")
	for n, step := range slices.Concat(p.steps()...) {
		if len(step.Members) == 0 {
			continue
		}
		out, err := p.newOutput()
		if err != nil {
			return nil, err
		}
		pinned := step.SHA256 != "" && checkOnly(from, step.SHA256) == nil
		if err = out.unpack(ctx, from, step.Members, pinned); err == nil {
			return out, nil
		}
		if n == 0 {
			first = err
		}
	}
	return nil, first
}

func (p *puller) steps() [][]Step {
	var all [][]Step
	for _, s := range p.entry.Sources {
		all = append(all, s.Steps)
	}
	return all
}

func checkOnly(path, want string) error {
	got, _, err := sumFile(path)
	if err == nil && got != want {
		err = ErrChecksum
	}
	return err
}

func (p *puller) isArchiveName(path string) bool {
	for _, ext := range []string{".zip", ".whl", ".tar", ".tar.gz", ".tgz"} {
		if strings.HasSuffix(path, ext) {
			return true
		}
	}
	return false
}

func copyInto(ctx context.Context, out *output, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading only
	return out.write(ctx, name, f, false)
}
