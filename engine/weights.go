package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/backbone"
	"lsat/internal/halffloat"
)

// deviceWeights are a backbone's weights on a device, in the layout that backbone.Transformer reads: q, k and v stacked as
// "qkv", gate and up as "gateup", the output head left out (only answer rows of it are used, and those travel with a batch).
type deviceWeights struct {
	names   []string
	tensors []*tensors.Tensor
}

// uploadWeights converts every weight to dtype (norms and biases too) and moves it to the device.
func uploadWeights(b compute.Backend, m *backbone.Model, dtype dtypes.DType) (*deviceWeights, error) {
	distinct := map[string]bool{}
	for name := range m.Weights {
		if name == "head" {
			continue
		}
		distinct[deviceName(name)] = true
	}
	w := &deviceWeights{}
	for name := range distinct {
		w.names = append(w.names, name)
	}
	sort.Strings(w.names)
	w.tensors = make([]*tensors.Tensor, len(w.names))
	errs := make([]error, len(w.names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2) // bounds the copies in memory, not the speed: the work is memory traffic
	for i, name := range w.names {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			w.tensors[i], errs[i] = upload(b, m, sources(name), dtype)
		}()
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("engine: weight %s: %w", w.names[i], err)
		}
	}
	return w, nil
}

// between lists the indices of the weights that a program of the layers [from, until) needs; until 0 means to the end, the final norm
// included.
func (w *deviceWeights) between(from, until int) []int {
	var out []int
	for i, name := range w.names {
		layer, isLayer := layerOf(name)
		switch {
		case isLayer && layer >= from && (until == 0 || layer < until),
			!isLayer && name == "embed" && from == 0,
			!isLayer && name != "embed" && until == 0:
			out = append(out, i)
		}
	}
	return out
}

// layerOf is the number of the layer that a weight belongs to.
func layerOf(name string) (int, bool) {
	prefix, _, ok := splitLayer(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(prefix, "layers."), "."))
	return n, err == nil
}

var stacked = map[string]string{"q": "qkv", "k": "qkv", "v": "qkv", "gate": "gateup", "up": "gateup"}

// deviceName maps a canonical weight name to the name of the device tensor that holds it.
func deviceName(name string) string {
	layer, part, ok := splitLayer(name)
	if !ok {
		return name
	}
	base, isBias := strings.CutSuffix(part, ".bias")
	if s, ok := stacked[base]; ok {
		base = s
	}
	if isBias {
		base += ".bias"
	}
	return layer + base
}

// sources lists the canonical weights that a device tensor stacks, in order.
func sources(name string) []string {
	layer, part, ok := splitLayer(name)
	if !ok {
		return []string{name}
	}
	suffix := ""
	if base, isBias := strings.CutSuffix(part, ".bias"); isBias {
		part, suffix = base, ".bias"
	}
	switch part {
	case "qkv":
		return []string{layer + "q" + suffix, layer + "k" + suffix, layer + "v" + suffix}
	case "gateup":
		return []string{layer + "gate" + suffix, layer + "up" + suffix}
	}
	return []string{layer + part + suffix}
}

func splitLayer(name string) (layer, part string, ok bool) {
	rest, ok := strings.CutPrefix(name, "layers.")
	if !ok {
		return "", "", false
	}
	n, part, ok := strings.Cut(rest, ".")
	return "layers." + n + ".", part, ok
}

func upload(b compute.Backend, m *backbone.Model, parts []string, dtype dtypes.DType) (*tensors.Tensor, error) {
	var dims []int
	var data []byte
	for _, p := range parts {
		w, ok := m.Weights[p]
		if !ok {
			return nil, fmt.Errorf("the model has no tensor %q", p)
		}
		if dims == nil {
			dims = append(dims, w.Shape...)
		} else {
			dims[0] += w.Shape[0]
		}
		data = appendAs(data, w, dtype)
	}
	return tensors.FromRaw(b, 0, shapes.Make(dtype, dims...), data)
}

// appendAs appends the weight's elements, little-endian, as float32 or bfloat16.
func appendAs(dst []byte, w backbone.Weight, dtype dtypes.DType) []byte {
	if (w.DType == backbone.F32 && dtype == dtypes.Float32) || (w.DType == backbone.BF16 && dtype == dtypes.BFloat16) {
		return append(dst, w.Bytes...)
	}
	n := elements(w)
	size := 4
	if dtype == dtypes.BFloat16 {
		size = 2
	}
	at := len(dst)
	dst = append(dst, make([]byte, n*size)...)
	for i := range n {
		v := element(w, i)
		if size == 2 {
			binary.LittleEndian.PutUint16(dst[at+2*i:], halffloat.ToBF16(v))
		} else {
			binary.LittleEndian.PutUint32(dst[at+4*i:], math.Float32bits(v))
		}
	}
	return dst
}

func elements(w backbone.Weight) int {
	n := 1
	for _, d := range w.Shape {
		n *= d
	}
	return n
}

// element reads one element of a weight as float32.
func element(w backbone.Weight, i int) float32 {
	switch w.DType {
	case backbone.BF16:
		return halffloat.FromBF16(binary.LittleEndian.Uint16(w.Bytes[2*i:]))
	case backbone.F16:
		return halffloat.FromF16(binary.LittleEndian.Uint16(w.Bytes[2*i:]))
	default:
		return math.Float32frombits(binary.LittleEndian.Uint32(w.Bytes[4*i:]))
	}
}

// headRows returns the output head's rows of the two answer words, [2, hidden].
func headRows(m *backbone.Model, yes, no int32) ([]float32, error) {
	head, ok := m.Weights["head"]
	if !ok {
		head, ok = m.Weights["embed"]
	}
	if !ok || len(head.Shape) != 2 {
		return nil, fmt.Errorf("engine: model %s has no output head", m.Name)
	}
	out := make([]float32, 0, 2*head.Shape[1])
	for _, id := range []int32{yes, no} {
		if id < 0 || int(id) >= head.Shape[0] {
			return nil, fmt.Errorf("engine: answer token %d is outside the model's vocabulary of %d: the tokenizer does not fit", id, head.Shape[0])
		}
		for i := range head.Shape[1] {
			out = append(out, element(head, int(id)*head.Shape[1]+i))
		}
	}
	return out, nil
}
