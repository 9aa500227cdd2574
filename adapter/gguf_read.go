package adapter

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"

	"lsat/internal/gguf"
)

// ggufTensor takes the name of an adapter's tensor apart.
var ggufTensor = regexp.MustCompile(`^blk\.(\d{1,5})\.(\w+)\.weight\.lora_([ab])$`)

// maxGGUF bounds a GGUF adapter, in bytes: it is read whole.
const maxGGUF = 4 << 30

// ReadGGUF reads a LoRA adapter in llama.cpp's format, in any element type that GGUF models have, and gives the architecture that it is for, by
// llama.cpp's name. heads and kvHeads are the backbone's attention heads, by which Llama's rows of q and k are put back in order; the
// file does not tell. The dropout of its training is not in the file either. Errors are as Read's.
func ReadGGUF(path string, heads, kvHeads int) (a *Adapter, arch string, err error) {
	defer func() {
		if err != nil {
			a, arch, err = nil, "", fmt.Errorf("adapter: %s: %w", path, err)
		}
	}()
	st, err := os.Stat(path)
	if err != nil {
		return nil, "", err
	}
	if !st.Mode().IsRegular() || st.Size() > maxGGUF {
		return nil, "", fmt.Errorf("not a regular file of at most %d bytes", int64(maxGGUF))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, "", err
	}
	if kind, method := f.Text("general.type"), f.Text("adapter.type"); kind != "adapter" || method != "lora" {
		return nil, "", fmt.Errorf("general.type %q, adapter.type %q: not a LoRA adapter: %w", kind, method, ErrUnsupported)
	}
	if _, ok := f.Meta["adapter.alora.invocation_tokens"]; ok {
		return nil, "", fmt.Errorf("adapter.alora.invocation_tokens: %w", ErrUnsupported)
	}
	arch = f.Text("general.architecture")
	family, ok := ggufArchitectures[arch]
	if !ok {
		return nil, "", fmt.Errorf("architecture %q: %w", arch, ErrUnsupported)
	}
	alpha, ok := f.Float("adapter.lora.alpha")
	if !ok || !(alpha > 0) || math.IsInf(alpha, 0) {
		return nil, "", fmt.Errorf("adapter.lora.alpha is %v, not a positive number", f.Meta["adapter.lora.alpha"])
	}
	a, err = fromGGUF(f)
	if err != nil {
		return nil, "", err
	}
	alphas := map[Key]float64{}
	for _, k := range a.Keys() {
		x := a.Layers[k]
		if x.A.Data == nil || x.B.Data == nil || x.A.Rows != x.B.Cols || x.A.Rows > maxRank {
			return nil, "", fmt.Errorf("%s: lora_a [%d, %d] and lora_b [%d, %d] do not make a pair: %w", k, x.A.Rows, x.A.Cols, x.B.Rows, x.B.Cols, ErrShape)
		}
		if x.B, err = reorder(x.B, family.permuted, k, heads, kvHeads, false); err != nil {
			return nil, "", err
		}
		a.Layers[k], alphas[k] = x, alpha
	}
	a.Base = f.Text("general.base_model.0.name")
	a.Config.Dropout = -1
	if err := level(a, alphas); err != nil {
		return nil, "", err
	}
	return a, family.name, a.Validate()
}

// fromGGUF collects the factors, their rows as the file has them.
func fromGGUF(f *gguf.File) (*Adapter, error) {
	a := &Adapter{Layers: map[Key]Factors{}}
	names := make([]string, 0, len(f.Tensors))
	for name := range f.Tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t := f.Tensors[name]
		m := ggufTensor.FindStringSubmatch(name)
		module := ""
		for ours, theirs := range ggufNames {
			if m != nil && theirs == m[2] {
				module = ours
			}
		}
		if module == "" {
			return nil, fmt.Errorf("tensor %q is not a LoRA factor of an attention or feed-forward projection: %w", name, ErrUnsupported)
		}
		layer, err := strconv.Atoi(m[1])
		if err != nil || layer > maxLayer {
			return nil, fmt.Errorf("tensor %q: layer %s is out of range", name, m[1])
		}
		if len(t.Shape) != 2 {
			return nil, fmt.Errorf("tensor %q has shape %v, not two axes: %w", name, t.Shape, ErrShape)
		}
		numbers, err := t.Float32s()
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		k := Key{layer, module}
		x := a.Layers[k]
		dst := &x.A
		if m[3] == "b" {
			dst = &x.B
		}
		if dst.Data != nil { // as with layers 1 and 01
			return nil, fmt.Errorf("tensor %q: lora_%s of %s is there twice", name, m[3], k)
		}
		*dst = Matrix{t.Shape[0], t.Shape[1], numbers}
		if err := dst.check(); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		a.Layers[k] = x
		if !slices.Contains(a.Config.Modules, module) {
			a.Config.Modules = append(a.Config.Modules, module)
		}
	}
	if len(a.Layers) == 0 {
		return nil, errors.New("no LoRA tensors")
	}
	a.Config = a.Config.WithDefaults()
	return a, nil
}
