package adapter

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// shapesOf gives a toy backbone's projections: grouped-query attention, so that k and v are narrower.
func shapesOf(layers int) map[Key][2]int {
	s := map[Key][2]int{}
	for l := range layers {
		s[Key{l, "q_proj"}] = [2]int{16, 16}
		s[Key{l, "k_proj"}] = [2]int{8, 16}
		s[Key{l, "v_proj"}] = [2]int{8, 16}
		s[Key{l, "o_proj"}] = [2]int{16, 16}
		s[Key{l, "gate_proj"}] = [2]int{24, 16}
		s[Key{l, "up_proj"}] = [2]int{24, 16}
		s[Key{l, "down_proj"}] = [2]int{16, 24}
	}
	return s
}

func TestNewStartsAsPEFTDoes(t *testing.T) {
	shapes := map[Key][2]int{{0, "q_proj"}: {64, 400}, {0, "v_proj"}: {32, 400}}
	a, err := New(Config{}, shapes, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Check(shapes); err != nil {
		t.Fatal(err)
	}
	if a.Scale() != 2 || a.Rank() != 8 || a.Config.DropoutRate() != .05 {
		t.Errorf("defaults: scale %v, rank %d, dropout %v", a.Scale(), a.Rank(), a.Config.DropoutRate())
	}
	bound := 1 / math.Sqrt(400)
	for k, f := range a.Layers {
		var sum, sq, top float64
		for _, v := range f.A.Data {
			sum, sq, top = sum+float64(v), sq+float64(v)*float64(v), max(top, math.Abs(float64(v)))
		}
		n := float64(len(f.A.Data))
		if top > bound || top < .99*bound {
			t.Errorf("%s: largest |A| %v, want just below %v", k, top, bound)
		}
		if sd := math.Sqrt(sq / n); math.Abs(sd/(bound/math.Sqrt(3))-1) > .05 || math.Abs(sum/n) > 4*bound/math.Sqrt(3*n) {
			t.Errorf("%s: mean %v, deviation %v: not uniform", k, sum/n, sd)
		}
		for _, v := range f.B.Data {
			if v != 0 {
				t.Fatalf("%s: B is not zero", k)
			}
		}
	}
}

func TestNewDependsOnSeedKeyAndShapeOnly(t *testing.T) {
	all := Config{Modules: Modules()}
	a, err := New(all, shapesOf(3), 1)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := New(all, shapesOf(3), 1)
	c, _ := New(all, shapesOf(3), 2)
	if !a.Equal(b) || a.Hash() != b.Hash() {
		t.Error("the same seed gave another adapter")
	}
	if a.Equal(c) || a.Hash() == c.Hash() {
		t.Error("another seed gave the same adapter")
	}
	small, _ := New(Config{Modules: []string{"v_proj", "o_proj"}}, shapesOf(2), 1)
	for k, f := range small.Layers {
		if !f.A.equal(a.Layers[k].A) {
			t.Errorf("%s depends on which other keys there are", k)
		}
	}
	if a.Layers[Key{0, "gate_proj"}].A.equal(a.Layers[Key{0, "up_proj"}].A) || a.Layers[Key{0, "q_proj"}].A.equal(a.Layers[Key{1, "q_proj"}].A) {
		t.Error("two keys got the same numbers")
	}
}

func TestNewRefuses(t *testing.T) {
	shapes := shapesOf(2)
	delete(shapes, Key{1, "v_proj"})
	for name, c := range map[string]struct {
		cfg    Config
		shapes map[Key][2]int
	}{
		"negative rank":       {Config{Rank: -1}, shapesOf(1)},
		"huge rank":           {Config{Rank: 1 << 30}, shapesOf(1)},
		"negative alpha":      {Config{Alpha: -2}, shapesOf(1)},
		"alpha not a number":  {Config{Alpha: math.NaN()}, shapesOf(1)},
		"infinite alpha":      {Config{Alpha: math.Inf(1)}, shapesOf(1)},
		"dropout of one":      {Config{Dropout: 1}, shapesOf(1)},
		"dropout not number":  {Config{Dropout: math.NaN()}, shapesOf(1)},
		"unknown module":      {Config{Modules: []string{"lm_head"}}, shapesOf(1)},
		"module twice":        {Config{Modules: []string{"q_proj", "q_proj"}}, shapesOf(1)},
		"no shapes":           {Config{}, nil},
		"a layer lacks one":   {Config{}, shapes},
		"impossible shape":    {Config{}, map[Key][2]int{{0, "q_proj"}: {-4, 4}, {0, "v_proj"}: {4, 4}}},
		"impossible layer":    {Config{}, map[Key][2]int{{-1, "q_proj"}: {4, 4}, {-1, "v_proj"}: {4, 4}}},
		"shape beyond memory": {Config{}, map[Key][2]int{{0, "q_proj"}: {1 << 60, 1 << 60}, {0, "v_proj"}: {4, 4}}},
	} {
		if a, err := New(c.cfg, c.shapes, 1); err == nil {
			t.Errorf("%s: got an adapter %v", name, a.Config)
		}
	}
}

func TestRSLoRAScale(t *testing.T) {
	if s := (Config{Rank: 16, Alpha: 8, RSLoRA: true}).Scale(); s != 2 {
		t.Errorf("alpha 8, rank 16: scale %v, want 8/sqrt(16)", s)
	}
}

func TestFlattenIsCanonical(t *testing.T) {
	a, err := New(Config{Rank: 2, Modules: []string{"down_proj", "v_proj", "q_proj"}}, shapesOf(11), 3)
	if err != nil {
		t.Fatal(err)
	}
	keys := a.Keys()
	if keys[0] != (Key{0, "q_proj"}) || keys[1] != (Key{0, "v_proj"}) || keys[2] != (Key{0, "down_proj"}) || keys[3*10].Layer != 10 || keys[3*2].Layer != 2 {
		t.Fatalf("order: %v", keys)
	}
	flat := a.Flatten()
	if len(flat) != a.NumParameters() || len(flat) != 11*2*(32+24+40) {
		t.Fatalf("%d numbers, NumParameters %d", len(flat), a.NumParameters())
	}
	if !slices.Equal(flat[:32], a.Layers[keys[0]].A.Data) || !slices.Equal(flat[64:64+32], a.Layers[keys[1]].A.Data) {
		t.Error("flat view is not A, B, A, B by key")
	}
	for i := range flat {
		flat[i] = float32(i)
	}
	b := a.Clone()
	if err := b.SetFlat(flat); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.Flatten(), flat) {
		t.Error("SetFlat and Flatten do not round-trip")
	}
	if a.Equal(b) || a.Flatten()[1] == 1 {
		t.Error("the clone shares memory with the original")
	}
	if err := b.SetFlat(flat[1:]); !errors.Is(err, ErrShape) {
		t.Errorf("a short slice: %v", err)
	}
}

func TestEqualAndHashSeeEveryBit(t *testing.T) {
	a, err := New(Config{Rank: 2}, shapesOf(2), 3)
	if err != nil {
		t.Fatal(err)
	}
	change := func(name string, same bool, f func(b *Adapter)) {
		t.Helper()
		b := a.Clone()
		f(b)
		if a.Equal(b) {
			t.Errorf("%s: Equal does not see it", name)
		}
		if (a.Hash() == b.Hash()) != same {
			t.Errorf("%s: hash equal %v, want %v", name, !same, same)
		}
	}
	k := Key{1, "v_proj"}
	change("lowest bit of A", false, func(b *Adapter) {
		d := b.Layers[k].A.Data
		d[3] = math.Nextafter32(d[3], 2)
	})
	change("sign of a zero in B", false, func(b *Adapter) { b.Layers[k].B.Data[0] = float32(math.Copysign(0, -1)) })
	change("alpha", false, func(b *Adapter) { b.Config.Alpha = 17 })
	change("one key fewer", false, func(b *Adapter) { delete(b.Layers, k) })
	change("base", true, func(b *Adapter) { b.Base = "other" })
	change("dropout", true, func(b *Adapter) { b.Config.Dropout = .5 })
}
