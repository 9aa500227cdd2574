package backbone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lsat/internal/gguf"
	"lsat/internal/mmap"
)

// Options say how a model is loaded. The zero value is right for nearly everything.
type Options struct {
	// Name is how the model was asked for, e.g. its name in the catalogue. Default: the path.
	Name string
	// TokenizerDir is a directory with a tokenizer.json or a tokenizer.model to use instead of the model's own. Default: none.
	TokenizerDir string
	// NoTokenizer leaves Model.Tokenizer nil, for models that are fed token ids. Default: false.
	NoTokenizer bool
	// NoHash leaves Model.Hash empty. Default: false.
	NoHash bool
}

// source is a model while it is being loaded, with the files that it points into.
type source struct {
	model  *Model
	config []byte // config.json, nil for GGUF
	gguf   *gguf.File
	files  []*mmap.File
}

func (s *source) close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Load reads a frozen model: path is a .gguf file, a directory with config.json and safetensors files (one, or several with
// model.safetensors.index.json), or a directory with exactly one .gguf file. The caller closes the model.
//
// Weight files are mapped into memory and stay so until Close, but only what is being read takes memory (see Weight.Release). Every tensor that the configuration asks for is checked; tensors that it
// does not ask for are ignored.
//
// Model.Hash is computed from the files' bytes on every load (some 0.1 s per 100 MB): a cache keyed by
// size and time would believe a file that was replaced within the clock's grain, and a hash is the name under which trained adapters are found
// again. It is the SHA-256 over config.json, if there is one, followed by the weight files in the order of their names; so for a GGUF file it
// is what sha256sum prints.
func Load(ctx context.Context, path string, opts Options) (*Model, error) {
	m, err := load(ctx, path, opts)
	if err != nil {
		return nil, fmt.Errorf("backbone: load %w", err)
	}
	return m, nil
}

func load(ctx context.Context, path string, opts Options) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file, err := locate(path)
	if err != nil {
		return nil, err
	}
	var src *source
	dir := path
	if file != "" {
		dir = filepath.Dir(file)
		src, err = loadGGUF(file)
	} else {
		src, err = loadDirectory(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	m := src.model
	m.Name = opts.Name
	if m.Name == "" {
		m.Name = path
	}
	m.close = src.close
	if err := src.attach(ctx, dir, opts); err != nil {
		return nil, errors.Join(err, src.close())
	}
	return m, nil
}

// attach adds the hash and the tokenizer.
func (s *source) attach(ctx context.Context, dir string, opts Options) error {
	if !opts.NoTokenizer {
		if err := s.attachTokenizer(dir, opts.TokenizerDir); err != nil {
			return err
		}
	}
	if !opts.NoHash {
		sum, err := s.hash(ctx)
		if err != nil {
			return err
		}
		s.model.Hash = sum
	}
	return nil
}

// locate returns the GGUF file that the path means, or "" for a directory with a config.json.
func locate(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !st.IsDir() {
		if strings.HasSuffix(strings.ToLower(path), ".gguf") {
			return path, nil
		}
		return "", fmt.Errorf("%s: %w: give a .gguf file, or the directory with config.json and the safetensors files", path, ErrNoModel)
	}
	_, err = os.Stat(filepath.Join(path, configFile))
	switch {
	case err == nil:
		// A directory with a GGUF file may have a config.json for the sake of its tokenizer.
		if weights, _ := filepath.Glob(filepath.Join(escapeGlob(path), "*.safetensors*")); len(weights) > 0 {
			return "", nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(strings.ToLower(e.Name()), ".gguf") {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: %w: neither config.json with .safetensors files nor a .gguf file", path, ErrNoModel)
	case 1:
		return filepath.Join(path, found[0]), nil
	}
	return "", fmt.Errorf("%s: %w: %d .gguf files, name one of them: %s", path, ErrNoModel, len(found), strings.Join(found, ", "))
}

// hash returns the SHA-256 described at Load.
func (s *source) hash(ctx context.Context) (string, error) {
	h := sha256.New()
	h.Write(s.config)
	for _, f := range s.files {
		if err := addHash(ctx, h, f.Data); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// addHash adds a mapped file.
func addHash(ctx context.Context, h hash.Hash, data []byte) error {
	const chunk = 64 << 20 // between looks at the context
	for len(data) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(chunk, len(data))
		h.Write(data[:n])
		mmap.Forget(data[:n]) // so that hashing takes no memory; the system still has the file's pages at hand
		data = data[n:]
	}
	return nil
}
