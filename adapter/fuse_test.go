package adapter

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// draw makes an adapter with filled factors on some of the toy backbone's projections; every drawn adapter has layer 0's q_proj.
func draw(t *rapid.T, label string, cfg Config, mayLack bool) *Adapter {
	shapes := shapesOf(2)
	a, err := New(cfg, shapes, rapid.Uint64().Draw(t, label+" seed"))
	if err != nil {
		t.Fatal(err)
	}
	numbers := rapid.Float32Range(-2, 2)
	for _, k := range a.Keys() {
		f := a.Layers[k]
		if mayLack && k != (Key{0, cfg.WithDefaults().Modules[0]}) && rapid.Bool().Draw(t, label+" lacks "+k.String()) {
			delete(a.Layers, k)
			continue
		}
		for i := range f.B.Data {
			f.B.Data[i] = float32(math.Sin(float64(i)*1.7 + float64(k.Layer) + float64(f.A.Data[0])*9))
		}
		f.B.Data[0] = numbers.Draw(t, label+" B[0]")
	}
	a.Config.Modules = nil
	for _, k := range a.Keys() {
		if moduleIndexIn(a.Config.Modules, k.Module) < 0 {
			a.Config.Modules = append(a.Config.Modules, k.Module)
		}
	}
	return a
}

func moduleIndexIn(list []string, m string) int {
	for i, x := range list {
		if x == m {
			return i
		}
	}
	return -1
}

func drawConfig(t *rapid.T, label string) Config {
	return Config{
		Rank:    rapid.IntRange(1, 20).Draw(t, label+" rank"), // above 8 is more than v_proj's outputs, above 16 more than its inputs
		Alpha:   rapid.Float64Range(.25, 32).Draw(t, label+" alpha"),
		RSLoRA:  rapid.Bool().Draw(t, label+" rslora"),
		Modules: [][]string{nil, {"q_proj"}, {"q_proj", "down_proj"}, Modules()}[rapid.IntRange(0, 3).Draw(t, label+" modules")],
	}
}

// weightedSum is sum w_i*dW_i at a key, in float64, zero where an adapter lacks it.
func weightedSum(adapters []*Adapter, weights []float64, k Key) []float64 {
	var sum []float64
	for i, a := range adapters {
		u := a.Update(k)
		if u.Data == nil {
			continue
		}
		if sum == nil {
			sum = make([]float64, len(u.Data))
		}
		axpy(sum, weights[i], u.Data)
	}
	return sum
}

// sameUpdate compares an update with wanted elements, relative to the largest.
func sameUpdate(t rapid.TB, what string, k Key, got Matrix, want []float64, tolerance float64) {
	t.Helper()
	if len(got.Data) != len(want) {
		t.Fatalf("%s: %s: %d elements, want %d", what, k, len(got.Data), len(want))
	}
	top := 1e-9
	for _, v := range want {
		top = max(top, math.Abs(v))
	}
	for i, v := range want {
		if d := math.Abs(float64(got.Data[i]) - v); !(d <= tolerance*top) {
			t.Fatalf("%s: %s element %d: %v, want %v", what, k, i, got.Data[i], v)
		}
	}
}

func TestFuseExactIsTheWeightedSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var adapters []*Adapter
		var weights []float64
		rank := 0
		for i := range rapid.IntRange(1, 3).Draw(t, "adapters") {
			label := string(rune('a' + i))
			adapters = append(adapters, draw(t, label, drawConfig(t, label), true))
			weights = append(weights, rapid.Float64Range(-2, 2).Draw(t, label+" weight"))
			rank += adapters[i].Rank()
		}
		sum, err := FuseExact(adapters, weights)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Rank() != rank {
			t.Fatalf("rank %d, want %d", sum.Rank(), rank)
		}
		all := map[Key]bool{}
		for _, a := range adapters {
			for k := range a.Layers {
				all[k] = true
			}
		}
		if len(all) != len(sum.Layers) {
			t.Fatalf("%d projections, want %d", len(sum.Layers), len(all))
		}
		for k := range all {
			// Adapters with huge updates may cancel; measure against the parts.
			want := weightedSum(adapters, weights, k)
			top := 0.
			for i, a := range adapters {
				for _, v := range a.Update(k).Data {
					top = max(top, math.Abs(weights[i]*float64(v)))
				}
			}
			for i, v := range sum.Update(k).Data {
				if math.Abs(float64(v)-want[i]) > 1e-5*max(top, 1e-9) {
					t.Fatalf("%s element %d: %v, want %v", k, i, v, want[i])
				}
			}
		}
	})
}

func TestWeightOneAndZeroGiveBackTheParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t, "both")
		long, short := draw(t, "long", cfg, false), draw(t, "short", cfg, false)
		for _, w := range []float64{0, 1} {
			part, name := short, "w=0"
			if w == 1 {
				part, name = long, "w=1"
			}
			paper, err := Combine(Paper, long, short, w, 0)
			if err != nil {
				t.Fatal(err)
			}
			if paper.Hash() != part.Hash() {
				t.Fatalf("fuse-paper at %s is not the part, bit by bit", name)
			}
			for _, c := range []struct {
				kind      string
				rank      int
				tolerance float64
			}{{Exact, 0, 1e-6}, {Exact, long.Rank(), 1e-5}, {PEFT, 0, 1e-6}} {
				a, err := Combine(c.kind, long, short, w, c.rank)
				if err != nil {
					t.Fatal(err)
				}
				for k := range part.Layers {
					sameUpdate(t, c.kind+" "+name, k, a.Update(k), weightedSum([]*Adapter{part}, []float64{1}, k), c.tolerance)
				}
			}
		}
	})
}

// With w1+w2 = 1: (w1B1+w2B2)(w1A1+w2A2) = w1B1A1 + w2B2A2 - w1w2(B1-B2)(A1-A2).
func TestFusePaperHasTheStatedCrossTerm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t, "both")
		long, short := draw(t, "long", cfg, false), draw(t, "short", cfg, false)
		w := rapid.Float64Range(0, 1).Draw(t, "w")
		fused, err := FusePaper(long, short, w)
		if err != nil {
			t.Fatal(err)
		}
		cross := long.Clone()
		for k, f := range cross.Layers {
			g := short.Layers[k]
			for i := range f.A.Data {
				f.A.Data[i] -= g.A.Data[i]
			}
			for i := range f.B.Data {
				f.B.Data[i] -= g.B.Data[i]
			}
		}
		for k := range fused.Layers {
			want := weightedSum([]*Adapter{long, short, cross}, []float64{w, 1 - w, -w * (1 - w)}, k)
			top := 0.
			for _, a := range []*Adapter{long, short} {
				for _, v := range a.Update(k).Data {
					top = max(top, math.Abs(float64(v)))
				}
			}
			for i, v := range fused.Update(k).Data {
				if math.Abs(float64(v)-want[i]) > 2e-5*max(top, 1e-9) {
					t.Fatalf("w %v: %s element %d: %v, want %v", w, k, i, v, want[i])
				}
			}
		}
	})
}

func TestFusionRefuses(t *testing.T) {
	a := random(t, Config{Rank: 2}, shapesOf(2), 1)
	other := random(t, Config{Rank: 3}, shapesOf(2), 2)
	alpha := random(t, Config{Rank: 2, Alpha: 3}, shapesOf(2), 2)
	modules := random(t, Config{Rank: 2, Modules: []string{"q_proj"}}, shapesOf(2), 2)
	wide := random(t, Config{Rank: 2}, map[Key][2]int{{0, "q_proj"}: {32, 16}, {0, "v_proj"}: {8, 16}}, 2)
	base := random(t, Config{Rank: 2}, shapesOf(2), 2)
	base.Base = "one"
	base2 := base.Clone()
	base2.Base = "two"
	broken := a.Clone()
	broken.Layers[Key{0, "q_proj"}] = Factors{A: Matrix{2, 16, nil}, B: Matrix{16, 2, make([]float32, 3)}}
	huge := a.Clone()
	for _, f := range huge.Layers {
		for i := range f.B.Data {
			f.B.Data[i] = math.MaxFloat32
		}
	}
	paper := func(x, y *Adapter, w float64) error { _, err := FusePaper(x, y, w); return err }
	peft := func(w ...float64) func(x ...*Adapter) error {
		return func(x ...*Adapter) error { _, err := FusePEFT(x, w); return err }
	}
	exact := func(w ...float64) func(x ...*Adapter) error {
		return func(x ...*Adapter) error { _, err := FuseExact(x, w); return err }
	}
	for name, c := range map[string]struct{ err, is error }{
		"paper, ranks":            {paper(a, other, .5), ErrMismatch},
		"paper, scales":           {paper(a, alpha, .5), ErrMismatch},
		"paper, modules":          {paper(a, modules, .5), ErrMismatch},
		"paper, modules, swapped": {paper(modules, a, 0), ErrMismatch},
		"paper, shapes":           {paper(a, wide, .5), ErrMismatch},
		"paper, bases":            {paper(base, base2, .5), ErrMismatch},
		"paper, no weight":        {paper(a, a, math.NaN()), nil},
		"paper, nil":              {paper(a, nil, .5), nil},
		"paper, broken":           {paper(a, broken, 1), ErrShape},
		"peft, ranks":             {peft(.5, .5)(a, other), ErrMismatch},
		"peft, shapes":            {peft(.5, .5)(a, wide), ErrMismatch},
		"peft, overflow":          {peft(4)(huge), nil},
		"exact, shapes":           {exact(.5, .5)(a, wide), ErrMismatch},
		"exact, weights":          {exact(.5)(a, a), nil},
		"exact, infinite":         {exact(math.Inf(1))(a), nil},
		"exact, overflow":         {exact(4)(huge), nil},
		"exact, none":             {exact()(), nil},
		"exact, nil":              {exact(1)(nil), nil},
	} {
		if c.err == nil || c.is != nil && !errors.Is(c.err, c.is) {
			t.Errorf("%s: %v, want %v", name, c.err, c.is)
		}
	}
	// What paper refuses, the sums of updates take.
	for _, b := range []*Adapter{other, alpha, modules} {
		if err := exact(.5, .5)(a, b); err != nil {
			t.Errorf("exact: %v", err)
		}
	}
	if _, err := FusePEFT([]*Adapter{a, modules}, []float64{.5, .5}); err != nil {
		t.Errorf("peft: %v", err)
	}
}

func TestCombinationNeedsSense(t *testing.T) {
	a := random(t, Config{Rank: 2}, shapesOf(1), 1)
	for _, c := range []Combination{
		{Kind: "fuse"}, {Kind: ""}, {Kind: Paper, Weight: 1.1}, {Kind: Exact, Weight: math.NaN()}, {Kind: PEFT, Weight: -.1},
		{Kind: Exact, Rank: -1}, {Kind: Paper, Weight: .5, Rank: 2}, {Kind: Ensemble, Weight: .5, Rank: 2},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
		if _, err := Combine(c.Kind, a, a, c.Weight, c.Rank); err == nil {
			t.Errorf("%+v was combined", c)
		}
	}
	for _, kind := range []string{Single, Ensemble} {
		if err := (Combination{Kind: kind, Weight: .5}).Validate(); err != nil {
			t.Error(err)
		}
		if _, err := Combine(kind, a, a, .5, 0); err == nil {
			t.Errorf("%s made an adapter", kind)
		}
	}
	if _, err := Combine(Exact, a, nil, .5, 0); err == nil {
		t.Error("combined with nothing")
	}
	fused, report, err := Combination{Kind: Exact, Weight: .5, Rank: 2}.Fuse(a, random(t, Config{Rank: 2}, shapesOf(1), 2))
	if err != nil || fused.Rank() != 2 || report == nil || !(report.RelativeError > 0) {
		t.Errorf("truncated: %v, report %+v", err, report)
	}
}
