package backbone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lsat/internal/mmap"
	"lsat/internal/safetensors"
)

const (
	configFile = "config.json"
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

// stored is a tensor in one of a model's files.
type stored struct {
	file  string
	dtype string
	shape []int
	data  []byte
}

// loadDirectory loads config.json and the safetensors files beside it. The weights stay in the mapped files.
func loadDirectory(ctx context.Context, dir string) (*source, error) {
	src := &source{}
	ok := false
	defer func() {
		if !ok {
			_ = src.close()
		}
	}()
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return nil, err
	}
	src.config = text
	cfg, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), err)
	}
	names, where, err := weightFiles(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]stored{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		path := filepath.Join(dir, name)
		if err := src.addSafetensors(path, found); err != nil {
			return nil, err
		}
	}
	w, err := cfg.fromSafetensors(found, func(tensor string) string {
		if name := where[tensor]; name != "" {
			return filepath.Join(dir, name)
		}
		return filepath.Join(dir, names[0])
	})
	if err != nil {
		return nil, err
	}
	src.model = &Model{Config: cfg, Weights: w}
	ok = true
	return src, nil
}

// weightFiles lists the weight files of a directory in the order of their names, and the index's map from tensor to file, if there is one.
// A single file goes before an index, as in Transformers.
func weightFiles(dir string) (names []string, where map[string]string, err error) {
	if _, err := os.Stat(filepath.Join(dir, singleFile)); err == nil {
		return []string{singleFile}, nil, nil
	}
	path := filepath.Join(dir, indexFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		all, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.safetensors"))
		if err != nil || len(all) != 1 {
			return nil, nil, fmt.Errorf("%s: %w: neither %s nor %s, and %d other .safetensors files", dir, ErrNoModel, singleFile, indexFile, len(all))
		}
		return []string{filepath.Base(all[0])}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
	}
	for _, name := range index.WeightMap {
		// A shard lies beside its index; anything else would let a model reach for other files.
		if name == "" || filepath.Base(name) != name || name == ".." || name == "." || strings.ContainsAny(name, `/\`) {
			return nil, nil, fmt.Errorf("%s: %w: weight file %q is not a plain file name", path, ErrFormat, name)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("%s: %w: an empty weight_map", path, ErrFormat)
	}
	slices.Sort(names)
	return names, index.WeightMap, nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// addSafetensors maps a file and adds its tensors to found.
func (s *source) addSafetensors(path string, found map[string]stored) error {
	f, err := mmap.Open(path)
	if errors.Is(err, mmap.ErrEmpty) {
		return fmt.Errorf("%s: %w: it is empty", path, ErrTruncated)
	}
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	h, err := safetensors.ParseHeader(bytes.NewReader(f.Data), int64(len(f.Data)))
	if err != nil {
		return fmt.Errorf("%s: %w: %w", path, safetensorsSentinel(f.Data), err)
	}
	for _, t := range h.Tensors {
		if was, dup := found[t.Name]; dup {
			return fmt.Errorf("%s: %w: tensor %s stands in %s too", path, ErrFormat, t.Name, filepath.Base(was.file))
		}
		found[t.Name] = stored{path, t.DType, t.Shape, f.Data[t.Begin:t.End:t.End]}
	}
	return nil
}

// safetensorsSentinel tells a file that was cut off from one that never was right: a header that is whole, and that gives
// tensors bytes after the file's end.
func safetensorsSentinel(data []byte) error {
	if len(data) < 8 {
		return ErrTruncated
	}
	var n uint64
	for i := range 8 {
		n |= uint64(data[i]) << (8 * i)
	}
	if n > 100_000_000 {
		return ErrFormat
	}
	if n > uint64(len(data)-8) {
		return ErrTruncated
	}
	var entries map[string]struct {
		Offsets []uint64 `json:"data_offsets"`
	}
	if json.Unmarshal(data[8:8+n], &entries) != nil {
		return ErrFormat
	}
	for _, e := range entries {
		if len(e.Offsets) == 2 && e.Offsets[1] > uint64(len(data))-8-n {
			return ErrTruncated
		}
	}
	return ErrFormat
}

// prefixes are what stands before "norm.weight" in files of causal models, of bare models and of multimodal ones, old and new,
// and the name of the output head.
var prefixes = []struct{ model, head string }{
	{"model.", "lm_head.weight"},
	{"language_model.model.", "language_model.lm_head.weight"},
	{"model.language_model.", "lm_head.weight"},
	{"", "lm_head.weight"},
}

// fromSafetensors picks the configuration's tensors. fileOf names the file that a tensor should be in, for messages.
func (c Config) fromSafetensors(found map[string]stored, fileOf func(string) string) (map[string]Weight, error) {
	at := prefixes[0]
	for _, p := range prefixes {
		if _, ok := found[p.model+"norm.weight"]; ok {
			at = p
			break
		}
	}
	names := fileNames{
		embed: at.model + "embed_tokens.weight",
		norm:  at.model + "norm.weight",
		head:  at.head,
		layer: func(n int, p part) string { return fmt.Sprintf("%slayers.%d.%s", at.model, n, p.hf) },
	}
	if _, ok := found[names.embed]; !ok && c.Tied {
		// Of two names for the same memory, writers keep either.
		if _, ok := found[names.head]; ok {
			names.embed = names.head
		}
	}
	weights := map[string]Weight{}
	for _, w := range c.tensors(names) {
		t, ok := found[w.file]
		if !ok {
			return nil, missing(fileOf(w.file), w)
		}
		if !slices.Equal(t.shape, w.shape) {
			return nil, misshapen(t.file, w, t.shape)
		}
		dtype, ok := map[string]DType{"F32": F32, "F16": F16, "BF16": BF16}[t.dtype]
		if !ok {
			return nil, fmt.Errorf("%s: %w: tensor %s of type %s (F32, F16 and BF16 are)", t.file, ErrUnsupported, w.file, t.dtype)
		}
		weights[w.name] = Weight{DType: dtype, Shape: w.shape, Bytes: t.data, source: t.data}
	}
	return weights, nil
}
