package catalog

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lsat/internal/atomicfile"
)

// manifestName is the file that makes an entry's directory complete. It is written last.
const manifestName = ".lsat.json"

type manifest struct {
	Name   string         `json:"name"`
	Source string         `json:"source"`
	Pulled time.Time      `json:"pulled"`
	Files  []manifestFile `json:"files"`
}

type manifestFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Pinned tells whether the sum was known beforehand, from the catalogue or the hub.
	Pinned bool `json:"pinned"`
}

// Cached is what the cache holds of an entry.
type Cached struct {
	Name, Path, Source string
	Kind               Kind
	Size               int64 // bytes
	Pulled             time.Time
}

// DefaultCacheDir is lsat's directory in the user's cache directory ($XDG_CACHE_HOME/lsat or ~/.cache/lsat on Linux).
func DefaultCacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w: set XDG_CACHE_HOME or HOME", err)
	}
	return filepath.Join(base, "lsat"), nil
}

func cacheRoot(dir string) (string, error) {
	if dir == "" {
		return DefaultCacheDir()
	}
	return dir, nil
}

// dirName makes a name a single path element. hf: names have slashes and colons.
func dirName(name string) string {
	return strings.NewReplacer("hf:", "hf--", "/", "--", ":", "--", "@", "--").Replace(name)
}

func entryDir(root string, e Entry) string {
	return filepath.Join(root, string(e.Kind), dirName(e.Name))
}

// Find returns an entry that is complete in the cache, without a network. The error wraps ErrNotCached, or ErrUnknown. cacheDir is
// DefaultCacheDir where empty.
func Find(name, cacheDir string) (Result, error) {
	e, err := Lookup(name)
	if err != nil {
		return Result{}, err
	}
	root, err := cacheRoot(cacheDir)
	if err != nil {
		return Result{}, err
	}
	if r, ok := cached(root, e); ok {
		return r, nil
	}
	return Result{}, fmt.Errorf("%s: %w (%s): run lsat pull %s", name, ErrNotCached, entryDir(root, e), name)
}

// cached tells whether the entry's directory is complete: all files of its manifest there with their sizes, and with the sums that
// the catalogue pins today. Contents were checked when they were put there; Verify reads them again.
func cached(root string, e Entry) (Result, bool) {
	dir := entryDir(root, e)
	m, err := readManifest(dir)
	if err != nil || len(m.Files) == 0 {
		return Result{}, false
	}
	have := make(map[string]manifestFile, len(m.Files))
	var unpinned []string
	for _, f := range m.Files {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Name)))
		if err != nil || info.Size() != f.Size {
			return Result{}, false
		}
		have[f.Name] = f
		if !f.Pinned {
			unpinned = append(unpinned, f.Name)
		}
	}
	for _, f := range e.Files {
		if h, ok := have[f.Name]; !ok || f.SHA256 != "" && h.SHA256 != f.SHA256 {
			return Result{}, false
		}
	}
	return result(dir, e, m, true, unpinned), true
}

func result(dir string, e Entry, m manifest, isCached bool, unpinned []string) Result {
	main := e.Main
	if main == "" {
		var gguf []string
		for _, f := range m.Files {
			if strings.HasSuffix(f.Name, ".gguf") {
				gguf = append(gguf, f.Name)
			}
		}
		if len(gguf) == 1 { // a repository of the hub with a single GGUF file
			main = gguf[0]
		}
	}
	return Result{Path: dir, Main: filepath.Join(dir, filepath.FromSlash(main)), Entry: e, Source: m.Source, Cached: isCached, Unpinned: unpinned}
}

func readManifest(dir string) (manifest, error) {
	var m manifest
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(b, &m)
}

func writeJSON(path string, v any) error {
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	})
}

// Verify reads every cached file of an entry again and compares its sum with the one recorded. The error wraps ErrChecksum.
func Verify(r Result) error {
	m, err := readManifest(r.Path)
	if err != nil {
		return fmt.Errorf("%s: reading the manifest: %w", r.Path, err)
	}
	for _, f := range m.Files {
		path := filepath.Join(r.Path, filepath.FromSlash(f.Name))
		sum, _, err := sumFile(path)
		if err != nil {
			return err
		}
		if sum != f.SHA256 {
			return fmt.Errorf("%s: %w: SHA-256 is %s, was %s when pulled: remove the directory and pull again", path, ErrChecksum, sum, f.SHA256)
		}
	}
	return nil
}

// Cache lists what is complete in the cache, by kind and name. An absent cache is empty.
func Cache(cacheDir string) ([]Cached, error) {
	root, err := cacheRoot(cacheDir)
	if err != nil {
		return nil, err
	}
	var list []Cached
	for _, kind := range []Kind{Model, Dataset, Plugin} {
		dirs, err := os.ReadDir(filepath.Join(root, string(kind)))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		for _, d := range dirs {
			dir := filepath.Join(root, string(kind), d.Name())
			m, err := readManifest(dir)
			if err != nil {
				continue // a lock file, or a pull that has not ended
			}
			c := Cached{Name: m.Name, Path: dir, Source: m.Source, Kind: kind, Pulled: m.Pulled}
			for _, f := range m.Files {
				c.Size += f.Size
			}
			list = append(list, c)
		}
	}
	return list, nil
}
