package catalog

import (
	"encoding/hex"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCatalogueIsSound holds every entry to what the rest of the package takes for granted.
func TestCatalogueIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range List() {
		if seen[e.Name] || e.Name == "" || dirName(e.Name) != e.Name {
			t.Errorf("%q is no good name, or there twice", e.Name)
		}
		seen[e.Name] = true
		if e.License == "" || !strings.HasPrefix(e.Home, "https://") || e.Title == "" || len(e.Files) == 0 || len(e.Sources) == 0 {
			t.Errorf("%s: licence, home, title, files or sources missing", e.Name)
		}
		names := map[string]bool{}
		for _, f := range e.Files {
			names[f.Name] = true
			if b, err := hex.DecodeString(f.SHA256); err != nil || len(b) != 32 && len(b) != 0 {
				t.Errorf("%s: %s has the sum %q", e.Name, f.Name, f.SHA256)
			}
		}
		if e.Main != "" && !names[e.Main] {
			t.Errorf("%s: main file %s is none of its files", e.Name, e.Main)
		}
		for _, s := range e.Sources {
			var gives []string
			for _, step := range s.Steps {
				if (step.URL == "") == (step.Pip == "") || (step.Save == "") == (len(step.Members) == 0) {
					t.Errorf("%s, %s: a step must have one of URL and Pip, and one of Save and Members", e.Name, s.Label)
				}
				if step.Pip != "" && !strings.Contains(step.Pip, "==") {
					t.Errorf("%s: %s is not pinned", e.Name, step.Pip)
				}
				if u, err := url.Parse(step.URL); step.URL != "" && (err != nil || u.Scheme != "https") {
					t.Errorf("%s: %s is not https", e.Name, step.URL)
				}
				if step.Save != "" {
					gives = append(gives, step.Save)
				}
				for _, m := range step.Members {
					gives = append(gives, m.To)
				}
			}
			for name := range names {
				if !slices.Contains(gives, name) {
					t.Errorf("%s, %s: nothing gives %s", e.Name, s.Label, name)
				}
			}
			for _, g := range gives {
				if !names[g] {
					t.Errorf("%s, %s gives %s, which is none of its files", e.Name, s.Label, g)
				}
			}
		}
	}
	for _, name := range []string{"smollm2-135m-instruct", "gemma-3-270m", "tinystories-656k", "ml-100k", "ml-1m", "ml-latest-small", "ml-25m", "amazon-books", "pjrt-cpu"} {
		if !seen[name] {
			t.Errorf("no entry %s", name)
		}
	}
	if _, err := Lookup("ml-2m"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "ml-1m") {
		t.Errorf("Lookup of an unknown name: %v", err)
	}
}

// TestPinsMatchRealFiles pulls entries from copies of the published files, where there are any.
func TestPinsMatchRealFiles(t *testing.T) {
	shared := filepath.Join("..", "..", "shared")
	for name, dir := range map[string]string{"tinystories-656k": "models/tinystories-656k", "ml-latest-small": "data/ml-latest-small"} {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(shared, filepath.FromSlash(dir))
			if _, err := os.Stat(from); err != nil {
				t.Skipf("SKIP: no %s", from)
			}
			if _, err := Pull(t.Context(), name, Options{CacheDir: t.TempDir(), From: from}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("ml-1m with changed timestamps", func(t *testing.T) {
		from := filepath.Join(shared, "data", "ml-1m")
		if _, err := os.Stat(from); err != nil {
			t.Skipf("SKIP: no %s", from)
		}
		if _, err := Pull(t.Context(), "ml-1m", Options{CacheDir: t.TempDir(), From: from}); !errors.Is(err, ErrChecksum) || !strings.Contains(err.Error(), "ratings.dat") {
			t.Errorf("ratings that are not the published ones: %v", err)
		}
	})
}
