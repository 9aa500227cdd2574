package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wheelEntry takes a.txt out of a package.
func wheelEntry() Entry {
	return Entry{Name: "set", Kind: Dataset, Files: []File{{"a.txt", sumOf([]byte("hello")), 5}},
		Sources: []Source{pipSource(Step{Pip: "setpkg==1.2", Members: []Member{{"setpkg/a.txt", "a.txt"}}})}}
}

func TestPipSource(t *testing.T) {
	wheel := filepath.Join(t.TempDir(), "setpkg-1.2-py3-none-any.whl")
	if err := os.WriteFile(wheel, zipOf(t, map[string]string{"setpkg/a.txt": "hello", "setpkg/__init__.py": ""}), 0o644); err != nil {
		t.Fatal(err)
	}
	seen := filepath.Join(t.TempDir(), "args")
	// A download goes through TMPDIR, as pip's does, and only the pinned requirement is asked for, without its dependencies.
	fakePip(t, `cp "`+wheel+`" "$TMPDIR/x" && mv "$TMPDIR/x" "$dest/`+filepath.Base(wheel)+`" && echo "$spec$opts" > "`+seen+`"`)
	useEntries(t, wheelEntry())
	cache := t.TempDir()
	r, err := Pull(t.Context(), "set", Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(mustRead(t, filepath.Join(r.Path, "a.txt"))); got != "hello" {
		t.Errorf("a.txt is %q", got)
	}
	if args := string(mustRead(t, seen)); !strings.HasPrefix(args, "setpkg==1.2 ") || !strings.Contains(args, "--no-deps") {
		t.Errorf("pip was called with %q", args)
	}
	if left := filesUnder(t, cache); len(left) != 2 {
		t.Errorf("the cache holds %v", left)
	}
}

func TestPipFailures(t *testing.T) {
	useEntries(t, wheelEntry())
	for name, c := range map[string]struct{ script, want string }{
		"says why":       {`echo "ERROR: No matching distribution found for setpkg==1.2" >&2; echo bye >&2; exit 1`, "No matching distribution"},
		"brings nothing": {`exit 0`, "0 files"},
		"wrong content":  {`echo hello > "$dest/x.whl"`, "unpacking"},
	} {
		t.Run(name, func(t *testing.T) {
			fakePip(t, c.script)
			cache := t.TempDir()
			_, err := Pull(t.Context(), "set", Options{CacheDir: cache})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "pip download setpkg==1.2") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if left := filesUnder(t, cache); len(left) != 0 {
				t.Errorf("kept %v", left)
			}
		})
	}
	t.Run("no pip", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := Pull(t.Context(), "set", Options{CacheDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no pip found") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestPipSdistIsTriedWithoutIsolationToo(t *testing.T) {
	wheel := filepath.Join(t.TempDir(), "w.whl")
	if err := os.WriteFile(wheel, zipOf(t, map[string]string{"setpkg/a.txt": "hello"}), 0o644); err != nil {
		t.Fatal(err)
	}
	fakePip(t, `case "$opts" in *--no-build-isolation*) cp "`+wheel+`" "$dest/";; *) echo "ERROR: metadata-generation-failed" >&2; exit 1;; esac`)
	useEntries(t, wheelEntry())
	if _, err := Pull(t.Context(), "set", Options{CacheDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
}

func TestPipIsEndedWithThePull(t *testing.T) {
	fakePip(t, `sleep 300 & wait`)
	useEntries(t, wheelEntry())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := Pull(ctx, "set", Options{CacheDir: t.TempDir()})
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("the pull outlives its context")
	}
}

func TestPartsOfOneFile(t *testing.T) {
	dir := t.TempDir()
	for i, part := range []string{"hel", "lo"} {
		name := filepath.Join(dir, "p"+string(rune('1'+i))+".whl")
		if err := os.WriteFile(name, zipOf(t, map[string]string{"part": part}), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fakePip(t, `cp "`+dir+`/${spec%%==*}.whl" "$dest/"`)
	e := wheelEntry()
	e.Sources = []Source{pipSource(Step{Pip: "p1==1", Members: []Member{{"part", "a.txt"}}}, Step{Pip: "p2==1", Members: []Member{{"part", "a.txt"}}})}
	useEntries(t, e)
	r, err := Pull(t.Context(), "set", Options{CacheDir: t.TempDir()})
	if err != nil || string(mustRead(t, filepath.Join(r.Path, "a.txt"))) != "hello" {
		t.Fatal(err)
	}
}
