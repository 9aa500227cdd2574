package catalog

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// fakeHub answers as the hub does for one repository.
func fakeHub(t *testing.T, repo string, files map[string]string) {
	t.Helper()
	type lfs struct {
		SHA256 string `json:"sha256"`
	}
	type sibling struct {
		Name string `json:"rfilename"`
		Size int    `json:"size"`
		LFS  *lfs   `json:"lfs,omitempty"`
	}
	mux := http.NewServeMux()
	var siblings []sibling
	for name, text := range files {
		s := sibling{Name: name, Size: len(text)}
		if strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".gguf") {
			s.LFS = &lfs{sumOf([]byte(text))}
		}
		siblings = append(siblings, s)
		mux.HandleFunc("/"+repo+"/resolve/c0ffee/"+name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	mux.HandleFunc("/api/models/"+repo+"/revision/main", func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(map[string]any{"sha": "c0ffee", "siblings": siblings}); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("HF_ENDPOINT", serve(t, mux))
}

func TestPullFromHub(t *testing.T) {
	fakeHub(t, "org/m", map[string]string{
		"config.json": "{}", "tokenizer.json": "{}", "model-1.safetensors": "one", "model-2.safetensors": "two",
		"model.safetensors.index.json": "{}", "README.md": "no", "pytorch_model.bin": "no", "onnx/model.onnx": "no",
	})
	cache := t.TempDir()
	r, err := Pull(t.Context(), "hf:org/m", Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	if got := filesUnder(t, r.Path); len(got) != 6 || r.Main != r.Path {
		t.Errorf("got %v, main %s; want five files and the manifest", got, r.Main)
	}
	if len(r.Unpinned) != 3 { // the small ones, of which the hub gives no SHA-256
		t.Errorf("unpinned: %v", r.Unpinned)
	}
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:1")
	if again, err := Pull(t.Context(), "hf:org/m", Options{CacheDir: cache}); err != nil || !again.Cached || again.Path != r.Path {
		t.Errorf("the cached model asks the hub: %v", err)
	}
	if _, err := Pull(t.Context(), "hf:org/other", Options{CacheDir: cache}); err == nil || !strings.Contains(err.Error(), "lsat pull hf:org/other --from PATH") {
		t.Errorf("a hub that cannot be reached: %v", err)
	}
}

func TestHubGGUF(t *testing.T) {
	fakeHub(t, "org/g", map[string]string{"a.gguf": "aa", "b.gguf": "bb", "config.json": "{}"})
	if _, err := Pull(t.Context(), "hf:org/g", Options{CacheDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "name one") {
		t.Errorf("several GGUF files: %v", err)
	}
	r, err := Pull(t.Context(), "hf:org/g:b.gguf", Options{CacheDir: t.TempDir()})
	if err != nil || filepath.Base(r.Main) != "b.gguf" || string(mustRead(t, r.Main)) != "bb" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := Pull(t.Context(), "hf:org/g:c.gguf", Options{CacheDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no file c.gguf") {
		t.Errorf("an absent file: %v", err)
	}
	fakeHub(t, "org/single", map[string]string{"only.gguf": "bb"})
	cache := t.TempDir()
	for range 2 { // pulled, and from the cache
		if r, err = Pull(t.Context(), "hf:org/single", Options{CacheDir: cache}); err != nil || filepath.Base(r.Main) != "only.gguf" {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	fakeHub(t, "org/none", map[string]string{"README.md": "x"})
	if _, err := Pull(t.Context(), "hf:org/none", Options{CacheDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "neither safetensors nor GGUF") {
		t.Errorf("no weights: %v", err)
	}
}

func TestHubNames(t *testing.T) {
	for _, name := range []string{"hf:", "hf:org", "hf:org/m/x", "hf:../m", "hf:org/..", "hf:org/m:../../etc/passwd", "hf:org/m@", "hf:org/ m"} {
		if _, err := Lookup(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("Lookup(%q): %v", name, err)
		}
	}
	for name, dir := range map[string]string{"hf:org/m": "hf--org--m", "hf:org/m@v1.0:x/y.gguf": "hf--org--m--v1.0--x--y.gguf"} {
		e, err := Lookup(name)
		if err != nil || filepath.Base(entryDir("cache", e)) != dir {
			t.Errorf("Lookup(%q) = %+v, %v", name, e, err)
		}
	}
}
