package adapter

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"lsat/internal/safetensors"
)

const (
	configFile  = "adapter_config.json"
	tensorsFile = "adapter_model.safetensors"
	// maxConfig bounds adapter_config.json, in bytes.
	maxConfig = 1 << 20
	// maxElements bounds what differing ranks may be filled up to.
	maxElements = 1 << 29
)

// tensorName takes a PEFT tensor's name apart. The prefixes before "layers" are those of Transformers' causal models and of the text part of
// its multimodal ones (Gemma 3, in the two layouts it has had).
var tensorName = regexp.MustCompile(`^base_model\.model\.((?:model|model\.language_model|language_model\.model|language_model)\.layers)\.(\d{1,5})\.(self_attn|mlp)\.(\w+)\.lora_([AB])(?:\.default)?\.weight$`)

// Read reads a PEFT LoRA directory: adapter_config.json and adapter_model.safetensors (F32, F16 or BF16, widened to float32).
//
// An Adapter has one rank and one scale. Where the directory has several (rank_pattern, alpha_pattern), lower ranks are filled up with zero rows and
// columns and B is multiplied by the ratio of the scales; every update stays what it was. Features that mean something else
// than plain LoRA give an error with ErrUnsupported in its chain, tensors that do not fit one with ErrShape.
func Read(dir string) (*Adapter, error) {
	a, err := read(dir)
	if err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return a, nil
}

func read(dir string) (*Adapter, error) {
	path := filepath.Join(dir, configFile)
	if st, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s is not a PEFT directory: %w", dir, err)
	} else if st.Size() > maxConfig || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file of at most %d bytes", path, maxConfig)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := parsePEFTConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(dir, tensorsFile)
	tensors, _, err := safetensors.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err2 := os.Stat(filepath.Join(dir, "adapter_model.bin")); err2 == nil {
			return nil, fmt.Errorf("%s: adapter_model.bin: pickled tensors are %w, save the adapter as safetensors", dir, ErrUnsupported)
		}
	}
	if err != nil {
		return nil, err
	}
	a, err := assemble(p, tensors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// assemble makes an adapter of the tensors of a PEFT directory.
func assemble(p *peftFields, tensors []safetensors.Tensor) (*Adapter, error) {
	a := &Adapter{Base: p.base, Layers: map[Key]Factors{}}
	prefix := ""
	for _, t := range tensors {
		m := tensorName.FindStringSubmatch(t.Name)
		if m == nil || moduleIndex(m[4]) == len(modules) || block(m[4]) != m[3] {
			return nil, fmt.Errorf("tensor %q is not a LoRA factor of an attention or feed-forward projection: %w", t.Name, ErrUnsupported)
		}
		if prefix == "" {
			prefix = m[1]
		}
		if prefix != m[1] {
			return nil, fmt.Errorf("tensor %q: other tensors are under %q: %w", t.Name, prefix, ErrUnsupported)
		}
		layer, err := strconv.Atoi(m[2])
		if err != nil || layer > maxLayer {
			return nil, fmt.Errorf("tensor %q: layer %s is out of range", t.Name, m[2])
		}
		if len(t.Shape) != 2 {
			return nil, fmt.Errorf("tensor %q has shape %v, not two axes: %w", t.Name, t.Shape, ErrShape)
		}
		k := Key{layer, m[4]}
		f := a.Layers[k]
		dst := &f.A
		if m[5] == "B" {
			dst = &f.B
		}
		if dst.Data != nil {
			return nil, fmt.Errorf("tensor %q: lora_%s of %s is there twice", t.Name, m[5], k)
		}
		*dst = Matrix{t.Shape[0], t.Shape[1], t.Data}
		if err := dst.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		a.Layers[k] = f
	}
	if len(a.Layers) == 0 {
		return nil, errors.New("no LoRA tensors")
	}
	if err := checkTargets(p, a); err != nil {
		return nil, err
	}
	if err := unify(p, a, prefix); err != nil {
		return nil, err
	}
	return a, a.Validate()
}

// checkTargets compares the keys found with what the configuration promises, as far as it can be told without the base model.
func checkTargets(p *peftFields, a *Adapter) error {
	layers := map[int]bool{}
	for _, k := range a.Keys() {
		f := a.Layers[k]
		if f.A.Data == nil || f.B.Data == nil {
			missing := "lora_A"
			if f.B.Data == nil {
				missing = "lora_B"
			}
			return fmt.Errorf("%s: %s is missing: %w", k, missing, ErrShape)
		}
		if p.layers != nil && !slices.Contains(p.layers, k.Layer) {
			return fmt.Errorf("%s is there, but layers_to_transform = %v", k, p.layers)
		}
		layers[k.Layer] = true
		if !slices.Contains(a.Config.Modules, k.Module) {
			a.Config.Modules = append(a.Config.Modules, k.Module)
		}
	}
	plain := len(p.targets) > 0 && !p.excludes
	for _, m := range p.targets {
		plain = plain && moduleIndex(m) < len(modules)
	}
	if !plain {
		return nil
	}
	want := p.layers
	if want == nil {
		for layer := range slices.Max(slices.Collect(maps.Keys(layers))) + 1 {
			want = append(want, layer)
		}
	}
	for _, layer := range want {
		for _, m := range p.targets {
			if _, ok := a.Layers[Key{layer, m}]; !ok {
				return fmt.Errorf("%s is missing, though target_modules = %v: %w", Key{layer, m}, p.targets, ErrShape)
			}
		}
	}
	for _, k := range a.Keys() {
		if !slices.Contains(p.targets, k.Module) {
			return fmt.Errorf("%s is there, but target_modules = %v", k, p.targets)
		}
	}
	return nil
}

// unify checks the ranks against the configuration and levels them.
func unify(p *peftFields, a *Adapter, prefix string) error {
	alphas := map[Key]float64{}
	for _, k := range a.Keys() {
		f := a.Layers[k]
		path := fmt.Sprintf("%s.%d.%s.%s", prefix, k.Layer, block(k.Module), k.Module)
		alphas[k] = lookup(p.alphaPattern, path, p.alpha)
		r := lookup(p.rankPattern, path, float64(p.rank))
		if float64(f.A.Rows) != r || float64(f.B.Cols) != r || r > maxRank {
			return fmt.Errorf("%s: lora_A [%d, %d] and lora_B [%d, %d] are not of rank %v: %w", k, f.A.Rows, f.A.Cols, f.B.Rows, f.B.Cols, r, ErrShape)
		}
	}
	a.Config.RSLoRA = p.rsLoRA
	a.Config.Dropout = p.dropout
	if a.Config.Dropout == 0 {
		a.Config.Dropout = -1 // zero would mean the default
	}
	if err := level(a, alphas); err != nil {
		return err
	}
	a.Config = a.Config.WithDefaults() // the modules in canonical order
	return nil
}

// level gives all keys the largest rank, and the scale that a key of that rank has by its alpha, without changing their updates.
func level(a *Adapter, alphas map[Key]float64) error {
	cfg := &a.Config
	cfg.Rank = 0
	for _, k := range a.Keys() {
		if r := a.Layers[k].A.Rows; r > cfg.Rank {
			cfg.Rank, cfg.Alpha = r, alphas[k]
		}
	}
	numbers := 0
	for _, f := range a.Layers {
		numbers += cfg.Rank * (f.A.Cols + f.B.Rows)
	}
	if numbers > maxElements {
		return fmt.Errorf("%d projections of ranks up to %d hold more than %d numbers: %w", len(a.Layers), cfg.Rank, maxElements, ErrShape)
	}
	for k, f := range a.Layers {
		own := Config{Rank: f.A.Rows, Alpha: alphas[k], RSLoRA: cfg.RSLoRA}
		f.A, f.B = padRows(f.A, cfg.Rank), padCols(f.B, cfg.Rank)
		if ratio := own.Scale() / cfg.Scale(); math.Abs(ratio-1) > 1e-12 {
			for i, v := range f.B.Data {
				f.B.Data[i] = float32(float64(v) * ratio)
			}
		}
		a.Layers[k] = f
	}
	return nil
}

// padRows and padCols fill a matrix up with zeros.
func padRows(m Matrix, rows int) Matrix {
	if m.Rows == rows {
		return m
	}
	out := zeros(rows, m.Cols)
	copy(out.Data, m.Data)
	return out
}

func padCols(m Matrix, cols int) Matrix {
	if m.Cols == cols {
		return m
	}
	out := zeros(m.Rows, cols)
	for i := range m.Rows {
		copy(out.Data[i*cols:], m.Data[i*m.Cols:(i+1)*m.Cols])
	}
	return out
}
