package catalog

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archiveEntry takes a.txt out of an archive at a URL, unpinned.
func archiveEntry(url string) Entry {
	return Entry{Name: "set", Kind: Dataset, Files: []File{{Name: "a.txt"}},
		Sources: []Source{{Label: "site", Steps: []Step{{URL: url, Members: []Member{{"set/a.txt", "a.txt"}}}}}}}
}

func TestArchives(t *testing.T) {
	reg := func(name string, size int64) tar.Header {
		return tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg}
	}
	whole := zipOf(t, map[string]string{"set/a.txt": "hello", "set/b.txt": "no"})
	for name, c := range map[string]struct {
		archive []byte
		unsafe  bool
		want    string // of the error; empty: it works
	}{
		"zip":                    {archive: whole},
		"tar.gz of an sdist":     {archive: tgzOf(t, reg("set-1.0/set/a.txt", 5), reg("set-1.0/c.txt", 7))},
		"zip, truncated":         {archive: whole[:len(whole)-30], want: "zip"},
		"not an archive":         {archive: []byte("<html>please log in</html>"), want: "unpacking"},
		"empty":                  {archive: []byte{}, want: "not an archive"},
		"member missing":         {archive: zipOf(t, map[string]string{"other/x": "1"}), want: "set/a.txt"},
		"zip leads out":          {archive: zipOf(t, map[string]string{"set/a.txt": "hello", "../../evil": "x"}), unsafe: true, want: "evil"},
		"zip with absolute name": {archive: zipOf(t, map[string]string{"set/a.txt": "hello", "/etc/evil": "x"}), unsafe: true, want: "evil"},
		"zip with backslashes":   {archive: zipOf(t, map[string]string{"set/a.txt": "hello", `..\evil`: "x"}), unsafe: true, want: "evil"},
		"tar leads out":          {archive: tgzOf(t, reg("../evil", 3), reg("set/a.txt", 5)), unsafe: true, want: "evil"},
		"tar member is a link":   {archive: tgzOf(t, tar.Header{Name: "set/a.txt", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), unsafe: true, want: "regular"},
	} {
		t.Run(name, func(t *testing.T) {
			useEntries(t, archiveEntry(serve(t, &server{body: c.archive})+"/set.zip"))
			cache := t.TempDir()
			r, err := Pull(t.Context(), "set", Options{CacheDir: cache})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if b := mustRead(t, filepath.Join(r.Path, "a.txt")); len(b) != 5 {
					t.Errorf("a.txt is %q", b)
				}
				if left := filesUnder(t, r.Path); len(left) != 2 {
					t.Errorf("unpacked %v, want a.txt and the manifest alone", left)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrUnsafeArchive) != c.unsafe {
				t.Fatalf("got %v; want %q, unsafe %v", err, c.want, c.unsafe)
			}
			if left := filesUnder(t, filepath.Dir(cache)); len(left) != 0 {
				t.Errorf("kept %v", left)
			}
		})
	}
}

func TestBombsStopAtThePinnedSize(t *testing.T) {
	var tarball bytes.Buffer
	gz := gzip.NewWriter(&tarball)
	w := tar.NewWriter(gz)
	const size = 64 << 20
	if err := w.WriteHeader(&tar.Header{Name: "set/a.txt", Size: size, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	for range size >> 20 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	e := archiveEntry(serve(t, &server{body: tarball.Bytes()}) + "/set.tgz")
	e.Files[0].Size = 100
	useEntries(t, e)
	cache := t.TempDir()
	if _, err := Pull(t.Context(), "set", Options{CacheDir: cache}); !errors.Is(err, ErrUnsafeArchive) {
		t.Fatalf("a bomb: %v", err)
	}
	if left := filesUnder(t, cache); len(left) != 0 {
		t.Errorf("kept %v", left)
	}
}

func TestPinnedArchiveVouchesForItsFiles(t *testing.T) {
	b := zipOf(t, map[string]string{"set/a.txt": "hello"})
	e := archiveEntry(serve(t, &server{body: b}) + "/set.zip")
	e.Sources[0].Steps[0].SHA256 = sumOf(b)
	useEntries(t, e)
	cache := t.TempDir()
	r, err := Pull(t.Context(), "set", Options{CacheDir: cache})
	if err != nil || len(r.Unpinned) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	e.Sources[0].Steps[0].SHA256 = sumOf([]byte("another"))
	useEntries(t, e)
	if _, err := Pull(t.Context(), "set", Options{CacheDir: t.TempDir()}); !errors.Is(err, ErrChecksum) {
		t.Fatalf("an archive with a wrong sum: %v", err)
	}
}

func TestPullFromLocalPath(t *testing.T) {
	body := content(1000)
	dir := t.TempDir()
	file := filepath.Join(dir, "w.bin")
	if err := os.WriteFile(file, body, 0o644); err != nil {
		t.Fatal(err)
	}
	e := fileEntry("http://127.0.0.1:1/w.bin", body)
	set := archiveEntry("http://127.0.0.1:1/set.zip")
	useEntries(t, e, set)
	for _, from := range []string{file, dir} {
		cache := t.TempDir()
		r, err := Pull(t.Context(), "thing", Options{CacheDir: cache, From: from, Offline: true})
		if err != nil || r.Source != from || !bytes.Equal(mustRead(t, filepath.Join(r.Path, "w.bin")), body) {
			t.Fatalf("from %s: %+v, %v", from, r, err)
		}
		if r, err := Pull(t.Context(), "thing", Options{CacheDir: cache, Offline: true}); err != nil || !r.Cached {
			t.Errorf("then offline: %v", err)
		}
	}
	archive := filepath.Join(dir, "set.zip")
	if err := os.WriteFile(archive, zipOf(t, map[string]string{"set/a.txt": "hello"}), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := Pull(t.Context(), "set", Options{CacheDir: t.TempDir(), From: archive}); err != nil || string(mustRead(t, filepath.Join(r.Path, "a.txt"))) != "hello" {
		t.Fatalf("from an archive: %v", err)
	}

	// A wrong file is refused, and does not replace the right one.
	cache := t.TempDir()
	if _, err := Pull(t.Context(), "thing", Options{CacheDir: cache, From: file}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content(999), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Pull(t.Context(), "thing", Options{CacheDir: cache, From: file}); !errors.Is(err, ErrChecksum) {
		t.Fatalf("a wrong local file: %v", err)
	}
	if _, err := Find("thing", cache); err != nil {
		t.Errorf("the right one is gone: %v", err)
	}
	for _, from := range []string{filepath.Join(dir, "absent"), t.TempDir()} {
		if _, err := Pull(t.Context(), "thing", Options{CacheDir: t.TempDir(), From: from}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), from) {
			t.Errorf("from %s: %v", from, err)
		}
	}
}
