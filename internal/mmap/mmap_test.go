package mmap

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("weights"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Data) != "weights" {
		t.Errorf("mapped %q", f.Data)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(empty); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a directory is mapped")
	}
}

// What has been forgotten reads as before, wherever the part begins and ends.
func TestForgottenPartsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	want := make([]byte, 5*os.Getpagesize()+17)
	for i := range want {
		want[i] = byte(i*i + i>>8)
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	page := os.Getpagesize()
	for _, part := range [][2]int{{0, len(want)}, {1, page}, {1, 2*page + 1}, {page, 3 * page}, {page - 1, len(want)}, {7, 7}, {len(want) - 1, len(want)}} {
		if !bytes.Equal(f.Data, want) { // and all pages are in memory
			t.Fatalf("before %v: the mapping does not have the file's bytes", part)
		}
		Forget(f.Data[part[0]:part[1]])
	}
	if !bytes.Equal(f.Data, want) {
		t.Error("the mapping does not have the file's bytes")
	}
}
