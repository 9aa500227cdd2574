package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/stat"

	"lsat/backbone"
	"lsat/device"
)

// Quantized weights, rotated, are off by half a step at most, the largest of an output is 127 of them, and norms, biases and embeddings stay what they are.
func TestQuantizedWeights(t *testing.T) {
	b, _, _, err := device.Open(device.Go)
	if err != nil {
		t.Fatal(err)
	}
	cfg := smallConfigs()["biased"]
	for _, stored := range []backbone.DType{backbone.F32, backbone.BF16, backbone.F16} {
		m := storedModel(randomModel(cfg, 3), stored)
		for _, be := range []compute.Backend{b, apart{b}} {
			w, err := uploadWeights(context.Background(), be, 0, m, dtypes.Float32, true)
			if err != nil {
				t.Fatal(err)
			}
			for n, l := range w.layers {
				names := strings.Fields(l.names)
				for i, name := range names {
					held := l.tensors[i].(*tensors.Tensor)
					switch {
					case slices.Contains([]string{"qkv", "o", "gateup", "down"}, name):
						if names[i+1] != name+".scale" {
							t.Fatalf("behind %s comes %s", name, names[i+1])
						}
						checkQuantized(t, m, n, name, held, l.tensors[i+1].(*tensors.Tensor))
					case strings.HasSuffix(name, backbone.ScaleSuffix):
					case held.DType() != dtypes.Float32:
						t.Errorf("%s is %s", name, held.DType())
					}
				}
			}
			w.release()
		}
	}
}

func checkQuantized(t *testing.T, m *backbone.Model, layer int, name string, q, scale *tensors.Tensor) {
	t.Helper()
	scales := tensors.MustCopyFlatData[float32](scale)
	flat := tensors.MustCopyFlatData[int8](q)
	width := q.Shape().Dimensions[1]
	row := 0
	for _, part := range sources(fmt.Sprintf("layers.%d.%s", layer, name)) {
		w := m.Weights[part]
		for from := 0; from < elements(w); from += width {
			largest := 0
			for k := range width {
				got := int(flat[row*width+k])
				largest = max(largest, got, -got)
				n := backbone.RotationBlock(width)
				want := 0.
				for i := range n {
					want += float64(backbone.Hadamard(k%n, i, n)) * float64(element(w, from+k/n*n+i))
				}
				off := math.Abs(float64(got)*float64(scales[row]) - want)
				if off > .5001*float64(scales[row]) {
					t.Fatalf("%s, row %d: number %d is off by %v, a step is %v", part, row, k, off, scales[row])
				}
			}
			if largest != backbone.Largest {
				t.Fatalf("%s, row %d: the largest number is %d steps", part, row, largest)
			}
			row++
		}
	}
	if row != len(scales) || row != q.Shape().Dimensions[0] {
		t.Fatalf("%s has %d rows, %d scales for %d", name, q.Shape().Dimensions[0], len(scales), row)
	}
}

// An output whose weights are all nothing has no scale to divide by.
func TestQuantizeRow(t *testing.T) {
	dst := []byte{1, 2, 3}
	if s := quantizeRow(dst, []float32{0, 0, 0}); s != 0 || !slices.Equal(dst, []byte{0, 0, 0}) {
		t.Errorf("nothing becomes %v of %v", dst, s)
	}
	if s := quantizeRow(dst, []float32{-2, 1, .5}); s != 2./127 || !slices.Equal(dst, []byte{0x81, 64, 32}) { // -127, 63.5 and 31.75
		t.Errorf("-2, 1 and .5 become %v of %v", dst, s)
	}
}

// In 8-bit integers, log-odds and gradients are near those of float32, and alike on every device.
func TestQuantizedIsNear(t *testing.T) {
	all := backends(t)
	for _, family := range []string{"llama", "gemma3", "biased"} {
		cfg := smallConfigs()[family]
		t.Run(family, func(t *testing.T) {
			m := randomModel(cfg, 5)
			seqs := headed(7, cfg.Vocab, 1)
			plain := newEngine(t, m, all["go"], Options{RowTokens: 64, BatchTokens: 512})
			a, err := randomAdapter(plain.AdapterShapes(), allModules(), 9)
			if err != nil {
				t.Fatal(err)
			}
			want := scoreAll(t, plain, seqs, a)
			_, wantGrad := gradient(t, plain, seqs, a)
			var first []float64
			for _, name := range []string{device.Go, device.XLACPU} {
				b, ok := all[name]
				if !ok {
					continue
				}
				e := newEngine(t, m, b, Options{RowTokens: 64, BatchTokens: 512, Quantize: QuantizeInt8})
				got := scoreAll(t, e, seqs, a)
				if r := stat.Correlation(got, want, nil); r < .995 || slices.Equal(got, want) {
					t.Errorf("%s: log-odds are correlated by %v with those of float32", name, r)
				}
				if first == nil {
					first = got
				} else if r := stat.Correlation(got, first, nil); r < .999 { // a number halfway between two integers may go either way
					t.Errorf("%s: log-odds are correlated by %v with those of the Go backend", name, r)
				}
				_, grad := gradient(t, e, seqs, a)
				if r := stat.Correlation(widened(grad), widened(wantGrad), nil); r < .99 {
					t.Errorf("%s: gradients are correlated by %v with those of float32", name, r)
				}
				if a, b := plain.hiddenKey(seqs, 1), e.hiddenKey(seqs, 1); a == b || !strings.Contains(e.Numerics(), QuantizeInt8) {
					t.Errorf("%s: states of %s share a file with those of %s", name, e.Numerics(), plain.Numerics())
				}
			}
		})
	}
}

func widened(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func TestQuantizationIsKnown(t *testing.T) {
	cfg := smallConfigs()["llama"]
	_, err := New(context.Background(), randomModel(cfg, 5), backends(t)["go"], Options{Quantize: "int4"})
	if err == nil || !strings.Contains(err.Error(), `quantization "int4" is unknown: use none or int8`) {
		t.Errorf("of int4: %v", err)
	}
}

// The estimate of the weights is what they take, to the byte, however they are held.
func TestEstimateOfWeights(t *testing.T) {
	b := backends(t)["go"]
	for family, cfg := range smallConfigs() {
		for _, quantize := range Quantizations() {
			w, err := uploadWeights(context.Background(), b, 0, randomModel(cfg, 3), dtypes.Float32, quantize == QuantizeInt8)
			if err != nil {
				t.Fatal(err)
			}
			held := int64(0)
			for _, tensor := range w.all {
				held += tensor.Shape().ByteSize()
			}
			w.release()
			m, err := EstimateMemory(cfg, Work{DType: "f32", Quantize: quantize})
			if err != nil {
				t.Fatal(err)
			}
			if m.Weights != held {
				t.Errorf("%s, %s: weights take %d bytes, estimated %d", family, quantize, held, m.Weights)
			}
		}
	}
}
