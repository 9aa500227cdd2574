package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/backbone"
	"lsat/internal/halffloat"
)

// deviceWeights are a backbone's weights on a device, in the layout that backbone.Layer reads: q, k and v stacked as
// "qkv", gate and up as "gateup", the output head left out (only answer rows of it are used, and those travel with a batch).
type deviceWeights struct {
	embed, norm any
	layers      []layerWeights
	all         []*tensors.Tensor
}

// layerWeights are one layer's, in the order of their names.
type layerWeights struct {
	names   string
	tensors []any
}

// uploadWeights converts every weight to dtype (norms and biases too) and moves it to the device; with quantize, the layers' matrices are
// quantized instead, and their scales come behind them. Where a device shares the host's memory, weights are written straight into its
// buffers, so that besides those only what is being read takes memory.
func uploadWeights(ctx context.Context, b compute.Backend, device compute.DeviceNum, m *backbone.Model, dtype dtypes.DType, quantize bool) (*deviceWeights, error) {
	distinct := map[string]bool{}
	for name := range m.Weights {
		if name == "head" {
			continue
		}
		distinct[deviceName(name)] = true
	}
	names := slices.Sorted(maps.Keys(distinct))
	w := &deviceWeights{layers: make([]layerWeights, m.Config.Layers)}
	uploaded := make([][]*tensors.Tensor, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	if !b.HasSharedBuffers() {
		slots = make(chan struct{}, 2) // bounds the copies in memory
	}
	for i, name := range names {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				up := uploader{backend: b, device: device, model: m, dtype: dtype}
				uploaded[i], errs[i] = up.upload(sources(name), quantize && isMatrix(name))
			}
		}()
	}
	wg.Wait()
	for _, ts := range uploaded {
		w.all = append(w.all, ts...)
	}
	for i, err := range errs {
		if err != nil {
			w.release()
			return nil, fmt.Errorf("engine: weight %s: %w", names[i], err)
		}
	}
	for i, name := range names {
		layer, part, ok := splitLayer(name)
		switch {
		case name == "embed":
			w.embed = uploaded[i][0]
		case name == "norm":
			w.norm = uploaded[i][0]
		case ok && layer < len(w.layers):
			l := &w.layers[layer]
			for k, t := range uploaded[i] {
				l.names = strings.TrimSpace(l.names + " " + part + []string{"", backbone.ScaleSuffix}[k])
				l.tensors = append(l.tensors, t)
			}
		}
	}
	return w, nil
}

// release frees the tensors.
func (w *deviceWeights) release() {
	for _, t := range w.all {
		release(t)
	}
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
	return fmt.Sprintf("layers.%d.%s", layer, base)
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
	prefix := fmt.Sprintf("layers.%d.", layer)
	switch part {
	case "qkv":
		return []string{prefix + "q" + suffix, prefix + "k" + suffix, prefix + "v" + suffix}
	case "gateup":
		return []string{prefix + "gate" + suffix, prefix + "up" + suffix}
	}
	return []string{prefix + part + suffix}
}

// splitLayer splits the number of the layer that a weight belongs to off its name.
func splitLayer(name string) (layer int, part string, ok bool) {
	rest, ok := strings.CutPrefix(name, "layers.")
	if !ok {
		return 0, "", false
	}
	n, part, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, "", false
	}
	layer, err := strconv.Atoi(n)
	return layer, part, err == nil
}

// isMatrix says whether a device tensor is one of the matrices that tokens are multiplied with in a layer.
func isMatrix(name string) bool {
	_, part, ok := splitLayer(name)
	return ok && slices.Contains([]string{"qkv", "o", "gateup", "down"}, part)
}

// storedAs says whether elements of a storage type are those of a tensor of the type.
func storedAs(from backbone.DType, to dtypes.DType) bool {
	return from == backbone.F32 && to == dtypes.Float32 || from == backbone.BF16 && to == dtypes.BFloat16
}

// readAtOnce is how many elements of a weight are decoded at once.
const readAtOnce = 1 << 20

// read writes a weight's elements, little-endian, as float32 or bfloat16.
func read(dst []byte, w backbone.Weight, dtype dtypes.DType) error {
	rows := w.Shape[0]
	width := rowWidth(w)
	step := rows
	if w.Bytes == nil && len(w.Shape) > 1 {
		step = max(1, readAtOnce/width)
	}
	for from := 0; from < rows; from += step {
		to := min(rows, from+step)
		src, err := w.Rows(from, to)
		if err != nil {
			return err
		}
		convert(dst[from*width*dtype.Size():to*width*dtype.Size()], src, w.DType, dtype)
	}
	return nil
}

// convert writes elements of a storage type as float32 or bfloat16.
func convert(dst, src []byte, from backbone.DType, to dtypes.DType) {
	le := binary.LittleEndian
	switch {
	case storedAs(from, to):
		copy(dst, src)
	case from == backbone.F32: // to bfloat16, as below
		for i := range len(dst) / 2 {
			le.PutUint16(dst[2*i:], halffloat.ToBF16(math.Float32frombits(le.Uint32(src[4*i:]))))
		}
	case from == backbone.BF16:
		for i := range len(dst) / 4 {
			le.PutUint32(dst[4*i:], uint32(le.Uint16(src[2*i:]))<<16)
		}
	case to == dtypes.BFloat16:
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

// rowWidth is the number of elements of a weight's row.
func rowWidth(w backbone.Weight) int { return elements(w) / w.Shape[0] }

// float32Rows reads rows [from, to) of a weight, one behind the other.
func float32Rows(w backbone.Weight, from, to int) ([]float32, error) {
	src, err := w.Rows(from, to)
	if err != nil {
		return nil, err
	}
	data := make([]byte, 4*(to-from)*rowWidth(w))
	convert(data, src, w.DType, dtypes.Float32)
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out, nil
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
		row, err := float32Rows(head, int(id), int(id)+1)
		if err != nil {
			return nil, fmt.Errorf("engine: output head of %s: %w", m.Name, err)
		}
		out = append(out, row...)
	}
	return out, nil
}
