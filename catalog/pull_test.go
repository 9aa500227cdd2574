package catalog

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPullThenReuseOffline(t *testing.T) {
	body := content(100_000)
	s := &server{body: body, etag: `"a"`}
	useEntries(t, fileEntry(serve(t, s)+"/w.bin", body))
	cache := t.TempDir()
	if _, err := Pull(t.Context(), "thing", Options{CacheDir: cache, Offline: true}); !errors.Is(err, ErrNotCached) {
		t.Fatalf("offline, not cached: %v", err)
	}
	r, err := Pull(t.Context(), "thing", Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if r.Cached || r.Source != "site" || len(r.Unpinned) != 0 || !bytes.Equal(mustRead(t, filepath.Join(r.Path, "w.bin")), body) {
		t.Fatalf("pulled %+v", r)
	}
	again, err := Pull(t.Context(), "thing", Options{CacheDir: cache, Offline: true})
	if err != nil || !again.Cached || again.Path != r.Path || s.count() != 1 {
		t.Fatalf("offline reuse: %+v, %v after %d requests", again, err, s.count())
	}
	if err := Verify(again); err != nil {
		t.Fatal(err)
	}
	if left := filesUnder(t, cache); len(left) != 2 {
		t.Errorf("the cache holds %v, want the file and its manifest", left)
	}
	list, err := Cache(cache)
	if err != nil || len(list) != 1 || list[0].Name != "thing" || list[0].Size != int64(len(body)) {
		t.Errorf("Cache = %+v, %v", list, err)
	}

	// Damage is noticed: another size at once, another content by Verify.
	path := filepath.Join(r.Path, "w.bin")
	if err := os.WriteFile(path, body[:10], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find("thing", cache); !errors.Is(err, ErrNotCached) {
		t.Errorf("Find of a truncated file: %v", err)
	}
	other := bytes.Clone(body)
	other[5] ^= 1
	if err := os.WriteFile(path, other, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Verify(again); !errors.Is(err, ErrChecksum) {
		t.Errorf("Verify of a changed file: %v", err)
	}
}

func TestResumeAfterBrokenConnection(t *testing.T) {
	body := content(300_000)
	s := &server{body: body, etag: `"a"`, breakAt: []int{100_000, 50_000}}
	useEntries(t, fileEntry(serve(t, s)+"/w.bin", body))
	r, err := Pull(t.Context(), "thing", Options{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(mustRead(t, filepath.Join(r.Path, "w.bin")), body) {
		t.Fatal("the pieces do not make the file")
	}
	if s.count() != 3 {
		t.Fatalf("%d requests, want 3", s.count())
	}
	if got := s.requests[1].Get("Range"); got == "" || got == "bytes=0-" || s.requests[1].Get("If-Range") != `"a"` {
		t.Errorf("the second request asks for %q if %q", got, s.requests[1].Get("If-Range"))
	}
}

func TestServerIgnoringRangeOrChangedObject(t *testing.T) {
	body := content(300_000)
	for name, change := range map[string]func(*server){
		"no ranges":  func(s *server) { s.noRange = true },
		"new object": func(s *server) { s.etag = `"b"` },
		"416":        func(s *server) { s.etag, s.body = `"a"`, body },
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{body: body, etag: `"a"`}
			url := serve(t, s) + "/w.bin"
			useEntries(t, fileEntry(url, body))
			cache := t.TempDir()
			// What an interrupted pull leaves: a part of another object under the same address.
			dl := filepath.Join(cache, "models", "thing.partial", "dl", "0-0")
			if err := os.MkdirAll(dl, 0o755); err != nil {
				t.Fatal(err)
			}
			n := 70_000
			if name == "416" {
				n = len(body) + 5
			}
			if err := os.WriteFile(filepath.Join(dl, "object.part"), bytes.Repeat([]byte("?"), n), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := writeJSON(filepath.Join(dl, "object.part.json"), partState{URL: url, ETag: `"a"`}); err != nil {
				t.Fatal(err)
			}
			change(s)
			r, err := Pull(t.Context(), "thing", Options{CacheDir: cache})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(mustRead(t, filepath.Join(r.Path, "w.bin")), body) {
				t.Fatal("a foreign part got into the file")
			}
			want := 1 // the answer from the start replaces the part
			if name == "416" {
				want = 2
			}
			if s.count() != want {
				t.Errorf("%d requests, want %d", s.count(), want)
			}
		})
	}
}

func TestAResumedFileWithAWrongSumIsFetchedAfresh(t *testing.T) {
	body := content(200_000)
	s := &server{body: body, etag: `"a"`}
	url := serve(t, s) + "/w.bin"
	useEntries(t, fileEntry(url, body))
	cache := t.TempDir()
	dl := filepath.Join(cache, "models", "thing.partial", "dl", "0-0")
	if err := os.MkdirAll(dl, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dl, "object.part"), make([]byte, 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(filepath.Join(dl, "object.part.json"), partState{URL: url, ETag: `"a"`}); err != nil {
		t.Fatal(err)
	}
	p := &recorder{}
	r, err := Pull(t.Context(), "thing", Options{CacheDir: cache, Progress: p})
	if err != nil || !bytes.Equal(mustRead(t, filepath.Join(r.Path, "w.bin")), body) {
		t.Fatal(err)
	}
	if s.count() != 2 || p.begun[0] != 1000 {
		t.Errorf("%d requests, begun at %v; want a resume and then a fresh start", s.count(), p.begun)
	}
}

func TestWrongSumIsRefusedAndNothingKept(t *testing.T) {
	body := content(5000)
	s := &server{body: append(bytes.Clone(body), '!'), etag: `"a"`}
	useEntries(t, fileEntry(serve(t, s)+"/w.bin", body))
	cache := t.TempDir()
	_, err := Pull(t.Context(), "thing", Options{CacheDir: cache})
	var all *SourcesError
	if !errors.Is(err, ErrChecksum) || !errors.As(err, &all) {
		t.Fatalf("wrong sum: %v", err)
	}
	if left := filesUnder(t, cache); len(left) != 0 {
		t.Errorf("kept %v", left)
	}
}

func TestSourcesInOrderAndTheErrorListsAll(t *testing.T) {
	body := content(5000)
	bad := serve(t, http.NotFoundHandler())
	good := serve(t, &server{body: body})
	e := fileEntry(bad+"/w.bin", body)
	e.Sources = append(e.Sources,
		Source{Label: "nowhere", Steps: []Step{{URL: "http://127.0.0.1:1/w.bin", Save: "w.bin"}}},
		Source{Label: "mirror", Steps: []Step{{URL: good + "/w.bin", Save: "w.bin"}}})
	useEntries(t, e)
	p := &recorder{}
	r, err := Pull(t.Context(), "thing", Options{CacheDir: t.TempDir(), Progress: p})
	if err != nil || r.Source != "mirror" || len(p.notes) != 2 {
		t.Fatalf("source %q, %v, notes %q", r.Source, err, p.notes)
	}
	e.Sources = e.Sources[:2]
	useEntries(t, e)
	_, err = Pull(t.Context(), "thing", Options{CacheDir: t.TempDir()})
	for _, want := range []string{"site: ", "404", "nowhere: ", "refused", "lsat pull thing --from PATH"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func TestRedirect(t *testing.T) {
	body := content(5000)
	target := serve(t, &server{body: body})
	url := serve(t, http.RedirectHandler(target+"/elsewhere", http.StatusFound))
	useEntries(t, fileEntry(url+"/w.bin", body))
	if _, err := Pull(t.Context(), "thing", Options{CacheDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	loop := serve(t, http.RedirectHandler("/", http.StatusFound))
	useEntries(t, fileEntry(loop+"/", body))
	if _, err := Pull(t.Context(), "thing", Options{CacheDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Fatalf("endless redirect: %v", err)
	}
}

func TestTokenGoesToTheHubOnly(t *testing.T) {
	t.Setenv("HF_TOKEN", "secret")
	body := content(100)
	other := &server{body: body}
	hub := &server{body: body}
	t.Setenv("HF_ENDPOINT", serve(t, hub))
	for url, want := range map[string]string{serve(t, other) + "/w": "", hubEndpoint() + "/w": "Bearer secret"} {
		useEntries(t, fileEntry(url, body))
		if _, err := Pull(t.Context(), "thing", Options{CacheDir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		s := other
		if want != "" {
			s = hub
		}
		if got := s.requests[0].Get("Authorization"); got != want {
			t.Errorf("%s was sent %q, want %q", url, got, want)
		}
	}
}

func TestCancelledPullIsContinued(t *testing.T) {
	body := content(400_000)
	s := &server{body: body, etag: `"a"`, hang: make(chan struct{})}
	useEntries(t, fileEntry(serve(t, s)+"/w.bin", body))
	cache := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	p := &recorder{onSet: cancel}
	if _, err := Pull(ctx, "thing", Options{CacheDir: cache, Progress: p}); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	if _, err := Find("thing", cache); !errors.Is(err, ErrNotCached) {
		t.Fatalf("a cancelled pull looks complete: %v", err)
	}
	close(s.hang)
	p = &recorder{}
	if _, err := Pull(t.Context(), "thing", Options{CacheDir: cache, Progress: p}); err != nil {
		t.Fatal(err)
	}
	if p.begun[0] == 0 || s.requests[1].Get("Range") == "" {
		t.Errorf("the second pull began at %d, asking for %q", p.begun[0], s.requests[1].Get("Range"))
	}
}

func TestConcurrentPullsFetchOnce(t *testing.T) {
	body := content(200_000)
	s := &server{body: body, etag: `"a"`}
	useEntries(t, fileEntry(serve(t, s)+"/w.bin", body))
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			r, err := Pull(t.Context(), "thing", Options{CacheDir: cache})
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := os.ReadFile(filepath.Join(r.Path, "w.bin")); err != nil || !bytes.Equal(b, body) {
				t.Errorf("one of the pulls sees a broken file: %v", err)
			}
		})
	}
	wg.Wait()
	if s.count() != 1 {
		t.Errorf("%d downloads, want 1", s.count())
	}
}

func TestUnpinnedFilesAreHeldToTheirFirstDownload(t *testing.T) {
	s := &server{body: content(1000)}
	e := fileEntry(serve(t, s)+"/w.bin", s.body)
	e.Files[0].SHA256, e.Files[0].Size = "", 0
	useEntries(t, e)
	cache := t.TempDir()
	r, err := Pull(t.Context(), "thing", Options{CacheDir: cache})
	if err != nil || len(r.Unpinned) != 1 || r.Unpinned[0] != "w.bin" {
		t.Fatalf("%+v, %v", r, err)
	}
	if again, err := Find("thing", cache); err != nil || len(again.Unpinned) != 1 {
		t.Errorf("from the cache: %+v, %v", again, err)
	}
	if err := os.RemoveAll(r.Path); err != nil {
		t.Fatal(err)
	}
	s.body = content(1001)
	if _, err := Pull(t.Context(), "thing", Options{CacheDir: cache}); !errors.Is(err, ErrChecksum) {
		t.Fatalf("the object changed: %v", err)
	}
	if left := filesUnder(t, filepath.Join(cache, "models")); len(left) != 0 {
		t.Errorf("kept %v", left)
	}
}

func TestAStalledServerIsGivenUp(t *testing.T) {
	s := &server{body: content(1000), hang: make(chan struct{})}
	defer close(s.hang)
	e := fileEntry(serve(t, s)+"/w.bin", s.body)
	c := newClient()
	c.stall, c.pause = 1e7, 1e6
	dir := t.TempDir()
	p := &puller{root: dir, dir: dir + "/x", stage: dir + "/x.partial", entry: e, progress: noProgress{}, client: c}
	_, err := p.fromSources(t.Context())
	if err == nil || !strings.Contains(err.Error(), "attempts") {
		t.Fatalf("a server that says nothing more: %v", err)
	}
}
