package catalog

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// useEntries puts a test's catalogue in place of the real one.
func useEntries(t *testing.T, list ...Entry) {
	t.Helper()
	old := entries
	entries = func() []Entry { return list }
	t.Cleanup(func() { entries = old })
}

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// content is n bytes that do not repeat.
func content(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// fileEntry has one pinned file, at a URL.
func fileEntry(url string, b []byte) Entry {
	return Entry{Name: "thing", Kind: Model, License: "MIT", Files: []File{{"w.bin", sumOf(b), int64(len(b))}},
		Sources: []Source{{Label: "site", Steps: []Step{{URL: url, Size: int64(len(b)), Save: "w.bin"}}}}}
}

func zipOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func tgzOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	w := tar.NewWriter(gz)
	for _, h := range headers {
		text := strings.Repeat("x", int(h.Size))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// server serves one object with ranges and an ETag, and can misbehave.
type server struct {
	mu       sync.Mutex
	body     []byte
	etag     string
	noRange  bool
	breakAt  []int // the n-th request is cut after so many bytes; 0: not at all
	requests []http.Header
	hang     chan struct{} // after half of the body, wait for this
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, r.Header.Clone())
	body, from := s.body, 0
	etag, noRange := s.etag, s.noRange
	cut := 0
	if n < len(s.breakAt) {
		cut = s.breakAt[n]
	}
	s.mu.Unlock()
	w.Header().Set("ETag", etag)
	if rng := r.Header.Get("Range"); rng != "" && !noRange && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == etag) {
		if _, err := fmt.Sscanf(rng, "bytes=%d-", &from); err != nil || from >= len(body) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", len(body)))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(body)-1, len(body)))
		w.Header().Set("Content-Length", fmt.Sprint(len(body)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	}
	rest := body[from:]
	if cut > 0 && cut < len(rest) {
		_, _ = w.Write(rest[:cut])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler) // the connection breaks
	}
	if s.hang != nil {
		_, _ = w.Write(rest[:len(rest)/2])
		w.(http.Flusher).Flush()
		select {
		case <-s.hang:
		case <-r.Context().Done():
			return
		}
		rest = rest[len(rest)/2:]
	}
	_, _ = w.Write(rest)
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// recorder keeps what a pull tells.
type recorder struct {
	mu    sync.Mutex
	notes []string
	begun []int64 // bytes already there, per part
	last  int64
	onSet func()
}

func (r *recorder) Begin(_ string, done, _ int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = append(r.begun, done)
}

func (r *recorder) Set(done int64) {
	r.mu.Lock()
	r.last = done
	f := r.onSet
	r.mu.Unlock()
	if f != nil {
		f()
	}
}
func (r *recorder) End(error) {}
func (r *recorder) Note(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, line)
}

// filesUnder lists everything below dir but lock files.
func filesUnder(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".lock") {
			rel, _ := filepath.Rel(dir, path)
			list = append(list, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return list
}

// fakePip puts a pip on PATH, the only program there but for the shell's own, that runs a shell script: $dest and $spec are set.
func fakePip(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	text := `#!/bin/sh
while [ $# -gt 0 ]; do case "$1" in --dest) dest="$2"; shift;; -*) opts="$opts $1";; *) spec="$1";; esac; shift; done
` + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "pip"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}
