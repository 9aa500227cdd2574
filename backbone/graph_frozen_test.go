package backbone

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/device"
)

// table is rows x cols numbers, one row after the other.
type table struct {
	rows, cols int
	data       []float32
}

func (m table) tensor() *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(m.data, m.rows, m.cols)
}

// byIntegers is a B^T as a quantized product should give it, with every row of a rounded by its own largest number and b of whole numbers already:
// worked out by loops in 64 bits.
func byIntegers(a, b table) table {
	out := table{a.rows, b.rows, make([]float32, a.rows*b.rows)}
	for i := range a.rows {
		row := a.data[i*a.cols : (i+1)*a.cols]
		largest := 0.
		for _, v := range row {
			largest = max(largest, math.Abs(float64(v)))
		}
		for o := range b.rows {
			sum := 0.
			for k, v := range row {
				if largest > 0 {
					sum += math.RoundToEven(float64(v)/largest*127) * float64(b.data[o*b.cols+k])
				}
			}
			out.data[i*b.rows+o] = float32(sum * largest / 127)
		}
	}
	return out
}

func (m table) transposed() table {
	out := table{m.cols, m.rows, make([]float32, len(m.data))}
	for i := range m.rows {
		for k := range m.cols {
			out.data[k*m.rows+i] = m.data[i*m.cols+k]
		}
	}
	return out
}

// rotated mixes every row by blocks, entry by entry.
func (m table) rotated() table {
	out := table{m.rows, m.cols, make([]float32, len(m.data))}
	n := RotationBlock(m.cols)
	for i := range out.data {
		sum := 0.
		for k := range n {
			sum += float64(Hadamard(i%n, k, n)) * float64(m.data[i/n*n+k])
		}
		out.data[i] = float32(sum)
	}
	return out
}

func TestRotation(t *testing.T) {
	for inputs, want := range map[int]int{576: 64, 1536: 64, 40: 4, 48: 16, 7: 1, 96: 16} {
		if n := RotationBlock(inputs); n != want {
			t.Errorf("%d inputs are mixed by %d, want %d", inputs, n, want)
		}
	}
	// Sylvester's construction: of twice the size, with the lower right corner turned over.
	for _, n := range []int{1, 4, 16} {
		for i := range 2 * n {
			for k := range 2 * n {
				want := Hadamard(i%n, k%n, n) / float32(math.Sqrt2)
				if i >= n && k >= n {
					want = -want
				}
				if got := Hadamard(i, k, 2*n); math.Abs(float64(got-want)) > 1e-7 {
					t.Fatalf("entry %d, %d of %d is %v, want %v", i, k, 2*n, got, want)
				}
			}
		}
	}
}

// A quantized product is that of integers, forwards and backwards, on every device, rows of nothing but zeros and of a single large number among them.
func TestQuantizedProducts(t *testing.T) {
	for _, in := range []int{128, 40} {
		t.Run(strconv.Itoa(in), func(t *testing.T) { testQuantizedProducts(t, in) })
	}
}

func testQuantizedProducts(t *testing.T, in int) {
	const rows, out = 9, 24
	rng := rand.New(rand.NewPCG(1, 8))
	random := func(rows, cols int, number func() float32) table {
		m := table{rows, cols, make([]float32, rows*cols)}
		for i := range m.data {
			m.data[i] = number()
		}
		return m
	}
	// Numbers between the places where rounding turns, so that float32 and 64 bits round alike: whole 127ths of the row's largest, which is 1, and a third.
	number := func() float32 { return (float32(rng.IntN(253)-126) + 1./3) / 127 }
	x, y := random(rows, in, number), random(rows, out, number)
	for _, m := range []table{x, y} {
		for i := range rows {
			m.data[i*m.cols] = 1
		}
		clear(m.data[2*m.cols : 3*m.cols])
		m.data[3*m.cols] = -1000
	}
	w := random(out, in, func() float32 { return float32(rng.IntN(255) - 127) })
	scale := random(1, out, func() float32 { return rng.Float32() + .01 })
	unmixed := table{out, in, nil} // with their scales
	for i, v := range w.data {
		unmixed.data = append(unmixed.data, v*scale.data[i/in])
	}
	scaled := unmixed.rotated() // the weights themselves
	want := byIntegers(x, w)
	for i := range want.data {
		want.data[i] *= scale.data[i%out]
	}
	one := table{1, out, make([]float32, out)} // with scales of one, what goes back is exact too
	for i := range one.data {
		one.data[i] = 1
	}
	wantBack := byIntegers(y, w.transposed()).rotated()

	for _, name := range []string{device.Go, device.XLACPU} {
		b, _, _, err := device.Open(name)
		if err != nil {
			t.Logf("%s is not tested here: %v", name, err)
			continue
		}
		gr := &Transformer{DType: dtypes.Float32}
		run := func(f func(l *Layer, x *graph.Node) *graph.Node, x, w, scale table) []float32 {
			t.Helper()
			exec, err := graph.NewExec(b, func(x, w, scale *graph.Node) *graph.Node {
				return f(&Layer{Weights: map[string]*graph.Node{"o": graph.ConvertDType(w, dtypes.Int8), "o.scale": graph.Reshape(scale, -1)}}, x)
			})
			if err != nil {
				t.Fatal(err)
			}
			res, err := exec.Call1(x.tensor(), w.tensor(), scale.tensor())
			if err != nil {
				t.Fatal(err)
			}
			return tensors.MustCopyFlatData[float32](res)
		}
		near := func(what string, got, want []float32, by float64) {
			t.Helper()
			for i := range want {
				if !(math.Abs(float64(got[i]-want[i])) <= by*(1+math.Abs(float64(want[i])))) {
					t.Fatalf("%s, %s: place %d is %v, want %v", name, what, i, got[i], want[i])
				}
			}
		}
		forth := func(l *Layer, x *graph.Node) *graph.Node { return gr.frozen(l, "o", x) }
		back := func(l *Layer, y *graph.Node) *graph.Node { return gr.frozenBack(l, "o", y) }
		near("forwards", run(forth, x.rotated(), w, scale), want.data, 1e-5)
		near("backwards", run(back, y, w, one), wantBack.data, 1e-4)

		// With scales of their own, a row's gradient is off by a fiftieth of its size at most, as rounding to 127 steps is.
		got := run(back, y, w, scale)
		for i := range rows {
			var off, size float64
			for k := range in {
				exact := 0.
				for o := range out {
					exact += float64(y.data[i*out+o]) * float64(scaled.data[o*in+k])
				}
				off += (float64(got[i*in+k]) - exact) * (float64(got[i*in+k]) - exact)
				size += exact * exact
			}
			if !(math.Sqrt(off) <= .02*math.Sqrt(size)) {
				t.Fatalf("%s: the gradient of row %d is off by %v, its size is %v", name, i, math.Sqrt(off), math.Sqrt(size))
			}
		}
	}
}
