package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// unknownLimit bounds a file whose size nobody pinned: far above any catalogued file, far below what a bomb unpacks to.
const unknownLimit = 256 << 30

// output gathers an entry's files in a directory of the stage, with their sums.
type output struct {
	dir   string
	want  map[string]int64 // pinned sizes
	files map[string]*outFile
	order []string
}

type outFile struct {
	f      *os.File // nil once the file is whole
	sum    hash.Hash
	size   int64
	pinned bool
}

// newOutput starts with an empty directory: nothing of an earlier source gets in.
func (p *puller) newOutput() (*output, error) {
	dir := filepath.Join(p.stage, "files")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	o := &output{dir: dir, want: map[string]int64{}, files: map[string]*outFile{}}
	for _, f := range p.entry.Files {
		o.want[f.Name] = f.Size
	}
	return o, nil
}

// path makes a file name a path below the output's directory.
func (o *output) path(name string) (string, error) {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) || local == manifestName {
		return "", fmt.Errorf("%w: file name %q", ErrUnsafeArchive, name)
	}
	path := filepath.Join(o.dir, local)
	return path, os.MkdirAll(filepath.Dir(path), 0o755)
}

// write appends r to a file: the parts of a large file come from several objects.
func (o *output) write(ctx context.Context, name string, r io.Reader, pinned bool) error {
	of := o.files[name]
	if of == nil {
		path, err := o.path(name)
		if err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		of = &outFile{f: f, sum: sha256.New(), pinned: pinned}
		o.files[name] = of
		o.order = append(o.order, name)
	}
	of.pinned = of.pinned && pinned
	limit := o.want[name]
	if limit == 0 {
		limit = unknownLimit
	}
	n, err := io.Copy(io.MultiWriter(of.f, of.sum), io.LimitReader(&ctxReader{ctx, r}, limit-of.size+1))
	of.size += n
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if of.size > limit {
		return fmt.Errorf("%s: %w: more than the %d bytes it may have", name, ErrUnsafeArchive, limit)
	}
	return nil
}

// move makes a downloaded object, on the same file system, one of the files.
func (o *output) move(object, name string, pinned bool) error {
	path, err := o.path(name)
	if err != nil {
		return err
	}
	sum, size, err := sumFile(object)
	if err != nil {
		return err
	}
	if err := os.Rename(object, path); err != nil {
		return err
	}
	o.files[name] = &outFile{sum: fixedSum(sum), size: size, pinned: pinned}
	o.order = append(o.order, name)
	return nil
}

// close syncs the files and lists them.
func (o *output) close() ([]manifestFile, error) {
	var list []manifestFile
	var errs []error
	for _, name := range o.order {
		of := o.files[name]
		if of.f != nil {
			errs = append(errs, of.f.Sync(), of.f.Close())
			of.f = nil
		}
		list = append(list, manifestFile{Name: name, Size: of.size, SHA256: hex.EncodeToString(of.sum.Sum(nil)), Pinned: of.pinned})
	}
	slices.SortFunc(list, func(a, b manifestFile) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list, errors.Join(errs...)
}

// fixedSum is a hash that has its sum already.
func fixedSum(sum string) hash.Hash {
	b, _ := hex.DecodeString(sum) // of our own making
	return fixedHash(b)
}

type fixedHash []byte

func (fixedHash) Write(b []byte) (int, error) { return len(b), nil }
func (h fixedHash) Sum(b []byte) []byte       { return append(b, h...) }
func (fixedHash) Reset()                      {}
func (h fixedHash) Size() int                 { return len(h) }
func (fixedHash) BlockSize() int              { return sha256.BlockSize }

// sumFile returns the SHA-256, in hex, and the size of a file.
func sumFile(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }() // opened for reading only
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, fmt.Errorf("reading %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// checkSum compares a file with its pinned sum, if there is one, and removes the file where it differs.
func checkSum(path, want string) error {
	if want == "" {
		return nil
	}
	got, _, err := sumFile(path)
	if err != nil {
		return err
	}
	if got != want {
		return errors.Join(fmt.Errorf("%w: SHA-256 is %s, must be %s", ErrChecksum, got, want), os.Remove(path))
	}
	return nil
}

// ctxReader ends a long copy when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(b)
}
