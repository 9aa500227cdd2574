package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
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

// uploadWeights converts every weight to dtype (norms and biases too) and moves it to the device. Where a device shares the host's
// memory, weights are written straight into its buffers, so that besides those only what is being read takes memory.
func uploadWeights(ctx context.Context, b compute.Backend, m *backbone.Model, dtype dtypes.DType) (*deviceWeights, error) {
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
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	if !b.HasSharedBuffers() {
		slots = make(chan struct{}, 2) // bounds the copies in memory
	}
	for i, name := range w.names {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				w.tensors[i], errs[i] = upload(b, m, sources(name), dtype)
			}
		}()
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			w.release()
			return nil, fmt.Errorf("engine: weight %s: %w", w.names[i], err)
		}
	}
	return w, nil
}

// release frees the tensors.
func (w *deviceWeights) release() {
	for _, t := range w.tensors {
		release(t)
	}
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

// upload puts the named weights under each other in one tensor on the device.
func upload(b compute.Backend, m *backbone.Model, names []string, dtype dtypes.DType) (*tensors.Tensor, error) {
	var dims []int
	parts := make([]backbone.Weight, len(names))
	for i, name := range names {
		w, ok := m.Weights[name]
		if !ok {
			return nil, fmt.Errorf("the model has no tensor %q", name)
		}
		if parts[i] = w; dims == nil {
			dims = append(dims, w.Shape...)
		} else {
			dims[0] += w.Shape[0]
		}
	}
	defer func() {
		for _, w := range parts {
			w.Release()
		}
	}()
	shape := shapes.Make(dtype, dims...)
	fill := func(dst []byte) error {
		for _, w := range parts {
			n := elements(w) * dtype.Size()
			if n > len(dst) {
				return fmt.Errorf("its parts do not fit %s", shape)
			}
			convert(dst[:n], w, dtype)
			dst = dst[n:]
		}
		return nil
	}
	if b.HasSharedBuffers() {
		return uploadShared(b, shape, fill)
	}
	if len(parts) == 1 && storedAs(parts[0], dtype) {
		return tensors.FromRaw(b, 0, shape, parts[0].Bytes)
	}
	data := make([]byte, shape.ByteSize())
	if err := fill(data); err != nil {
		return nil, err
	}
	return tensors.FromRaw(b, 0, shape, data)
}

// uploadShared lets fill write a tensor's elements into a buffer that host and device share. tensors.FromRaw would copy them from a
// second place.
func uploadShared(b compute.Backend, shape shapes.Shape, fill func([]byte) error) (*tensors.Tensor, error) {
	buffer, flat, err := b.NewSharedBuffer(0, shape)
	if err != nil {
		return nil, err
	}
	t, err := tensors.FromBuffer(buffer)
	if err != nil {
		return nil, errors.Join(err, buffer.Finalize())
	}
	if err := fill(dtypes.UnsafeByteSliceFromAny(flat)); err != nil {
		release(t)
		return nil, err
	}
	return t, nil
}

// storedAs says whether a weight's bytes are those of a tensor of the type.
func storedAs(w backbone.Weight, dtype dtypes.DType) bool {
	return w.DType == backbone.F32 && dtype == dtypes.Float32 || w.DType == backbone.BF16 && dtype == dtypes.BFloat16
}

// convert writes a weight's elements, little-endian, as float32 or bfloat16.
func convert(dst []byte, w backbone.Weight, dtype dtypes.DType) {
	src, le := w.Bytes, binary.LittleEndian
	switch {
	case storedAs(w, dtype):
		copy(dst, src)
	case w.DType == backbone.F32: // to bfloat16, as below
		for i := range len(dst) / 2 {
			le.PutUint16(dst[2*i:], halffloat.ToBF16(math.Float32frombits(le.Uint32(src[4*i:]))))
		}
	case w.DType == backbone.BF16:
		for i := range len(dst) / 4 {
			le.PutUint32(dst[4*i:], uint32(le.Uint16(src[2*i:]))<<16)
		}
	case dtype == dtypes.BFloat16:
		for i := range len(dst) / 2 {
			le.PutUint16(dst[2*i:], halffloat.ToBF16(halffloat.FromF16(le.Uint16(src[2*i:]))))
		}
	default:
		for i := range len(dst) / 4 {
			le.PutUint32(dst[4*i:], math.Float32bits(halffloat.FromF16(le.Uint16(src[2*i:]))))
		}
	}
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
