package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/backbone"
	"lsat/device"
	"lsat/internal/halffloat"
)

// apart is a backend whose memory is not the host's.
type apart struct{ compute.Backend }

func (apart) HasSharedBuffers() bool { return false }

// Weights arrive the same by both ways, whatever type the file has and the device wants.
func TestWeightsArriveWhole(t *testing.T) {
	b, _, _, err := device.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	cfg := smallConfigs()["biased"]
	for _, stored := range []backbone.DType{backbone.F32, backbone.BF16, backbone.F16} {
		m := storedModel(randomModel(cfg, 3), stored)
		for _, word := range []string{"f32", "bf16"} {
			dtype, err := parseDType(word)
			if err != nil {
				t.Fatal(err)
			}
			for _, be := range []compute.Backend{b, apart{b}} {
				w, err := uploadWeights(context.Background(), be, 0, m, dtype, false)
				if err != nil {
					t.Fatal(err)
				}
				checkWeights(t, m, w, word)
				w.release()
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(ctx, randomModel(cfg, 3), b, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("when cancelled: %v", err)
	}
}

// storedModel is the model with its float32 weights stored in another type. F16 is cut from bfloat16's bits, so that any bits will do.
func storedModel(m *backbone.Model, as backbone.DType) *backbone.Model {
	out := &backbone.Model{Config: m.Config, Weights: map[string]backbone.Weight{}}
	for name, w := range m.Weights {
		if as != backbone.F32 {
			b := make([]byte, len(w.Bytes)/2)
			for i := range len(b) / 2 {
				h := halffloat.ToBF16(element(w, i))
				if as == backbone.F16 { // a number of the same size, near enough
					h = h&0x8000 | 0x3000 | h&0x3ff
				}
				binary.LittleEndian.PutUint16(b[2*i:], h)
			}
			w = backbone.Weight{DType: as, Shape: w.Shape, Bytes: b}
		}
		out.Weights[name] = w
	}
	return out
}

func checkWeights(t *testing.T, m *backbone.Model, w *deviceWeights, dtype string) {
	t.Helper()
	total := 0
	named := map[string]any{"embed": w.embed, "norm": w.norm}
	for n, l := range w.layers {
		for i, name := range strings.Fields(l.names) {
			named[fmt.Sprintf("layers.%d.%s", n, name)] = l.tensors[i]
		}
	}
	for name, held := range named {
		tensor := held.(*tensors.Tensor)
		var want []float32
		for _, part := range sources(name) {
			total++
			for k := range elements(m.Weights[part]) {
				v := element(m.Weights[part], k)
				if dtype == "bf16" {
					v = halffloat.FromBF16(halffloat.ToBF16(v))
				}
				want = append(want, v)
			}
		}
		var got []float32
		if err := tensor.ConstBytes(func(data []byte) {
			for k := range want {
				if tensor.DType() == dtypes.BFloat16 {
					got = append(got, halffloat.FromBF16(binary.LittleEndian.Uint16(data[2*k:])))
				} else {
					got = append(got, math.Float32frombits(binary.LittleEndian.Uint32(data[4*k:])))
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s as %s is not what the model has", name, dtype)
		}
	}
	if total != len(m.Weights)-1 { // the head stays on the host
		t.Errorf("%d of %d weights are on the device", total, len(m.Weights))
	}
}

// element reads one element of a weight that lies in memory.
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
