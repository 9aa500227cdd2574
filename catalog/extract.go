package catalog

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// unpack takes members out of an archive: zip (and wheel), tar or tar.gz, told apart by their first bytes. Only the members named are
// written, under the names the catalogue gives them, each up to its pinned size. An archive with any name that leads out of it is
// refused as a whole, since such an archive was made to do harm.
func (o *output) unpack(ctx context.Context, archive string, members []Member, pinned bool) error {
	err := o.unpackAny(ctx, archive, members, pinned)
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", filepath.Base(archive), err)
	}
	return nil
}

func (o *output) unpackAny(ctx context.Context, archive string, members []Member, pinned bool) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading only
	found := make([]bool, len(members))
	b := bufio.NewReader(f)
	magic, err := b.Peek(4)
	switch {
	case err != nil:
		return fmt.Errorf("not an archive: %w", err)
	case string(magic) == "PK\x03\x04":
		info, err := f.Stat()
		if err != nil {
			return err
		}
		err = o.unzip(ctx, f, info.Size(), members, found, pinned)
		if err != nil {
			return err
		}
	default:
		var r io.Reader = b
		if magic[0] == 0x1f && magic[1] == 0x8b {
			gz, err := gzip.NewReader(b)
			if err != nil {
				return err
			}
			r = gz
		}
		if err := o.untar(ctx, r, members, found, pinned); err != nil {
			return err
		}
	}
	for i, ok := range found {
		if !ok {
			return fmt.Errorf("it has no %s", members[i].From)
		}
	}
	return nil
}

func (o *output) unzip(ctx context.Context, f io.ReaderAt, size int64, members []Member, found []bool, pinned bool) error {
	z, err := zip.NewReader(f, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	for _, zf := range z.File {
		if err := safeName(zf.Name); err != nil {
			return err
		}
	}
	for i, m := range members {
		for _, zf := range z.File {
			if !m.matches(zf.Name) {
				continue
			}
			if !zf.Mode().IsRegular() {
				return fmt.Errorf("%w: %s is not a regular file", ErrUnsafeArchive, zf.Name)
			}
			r, err := zf.Open()
			if err != nil {
				return err
			}
			err = o.write(ctx, m.To, r, pinned)
			if err = errors.Join(err, r.Close()); err != nil {
				return err
			}
			found[i] = true
			break
		}
	}
	return nil
}

func (o *output) untar(ctx context.Context, r io.Reader, members []Member, found []bool, pinned bool) error {
	t := tar.NewReader(&ctxReader{ctx, r})
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		if err := safeName(h.Name); err != nil {
			return err
		}
		for i, m := range members {
			if found[i] || !m.matches(h.Name) {
				continue
			}
			if h.Typeflag != tar.TypeReg {
				return fmt.Errorf("%w: %s is not a regular file", ErrUnsafeArchive, h.Name)
			}
			if err := o.write(ctx, m.To, t, pinned); err != nil {
				return err
			}
			found[i] = true
			break
		}
	}
}

// matches tells whether a name in an archive is the member: the whole name, or its end after a slash (an sdist puts everything
// under a directory of its name and version).
func (m Member) matches(name string) bool {
	name = path.Clean(name)
	return name == m.From || strings.HasSuffix(name, "/"+m.From)
}

func safeName(name string) error {
	if strings.Contains(name, "\\") || !filepath.IsLocal(filepath.FromSlash(strings.TrimSuffix(name, "/"))) {
		return fmt.Errorf("%w: it has a file named %q", ErrUnsafeArchive, name)
	}
	return nil
}
