package adapter

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestMeasuresAgreeWithTheDenseUpdates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a", drawConfig(t, "a"), true), draw(t, "b", drawConfig(t, "b"), true)
		var aa, bb, ab, dd float64
		for k := range (&Adapter{Layers: merged(a, b)}).Layers {
			x, y := weightedSum([]*Adapter{a}, []float64{1}, k), weightedSum([]*Adapter{b}, []float64{1}, k)
			for i := range max(len(x), len(y)) {
				p, q := at(x, i), at(y, i)
				aa, bb, ab, dd = aa+p*p, bb+q*q, ab+p*q, dd+(p-q)*(p-q)
			}
		}
		norm, err := Norm(a)
		if err != nil || math.Abs(norm-math.Sqrt(aa)) > 1e-5*math.Sqrt(aa) {
			t.Fatalf("norm %v (%v), dense %v", norm, err, math.Sqrt(aa))
		}
		d, err := Distance(a, b)
		if err != nil || math.Abs(d-math.Sqrt(dd)) > 1e-5*math.Sqrt(aa+bb) {
			t.Fatalf("distance %v (%v), dense %v", d, err, math.Sqrt(dd))
		}
		c, err := CosineUpdate(a, b)
		if err != nil || math.Abs(c-ab/math.Sqrt(aa*bb)) > 1e-5 {
			t.Fatalf("cosine %v (%v), dense %v", c, err, ab/math.Sqrt(aa*bb))
		}
	})
}

func merged(a, b *Adapter) map[Key]Factors {
	all := map[Key]Factors{}
	for _, x := range []*Adapter{a, b} {
		for k, f := range x.Layers {
			all[k] = f
		}
	}
	return all
}

func at(x []float64, i int) float64 {
	if i < len(x) {
		return x[i]
	}
	return 0
}

func TestDistanceResolvesCloseAdapters(t *testing.T) {
	a := random(t, Config{Rank: 4}, shapesOf(2), 1)
	if d, err := Distance(a, a); err != nil || d > 1e-12 {
		t.Errorf("distance to itself %v (%v)", d, err)
	}
	b := a.Clone()
	f := b.Layers[Key{1, "q_proj"}]
	before := f.B.Data[5]
	f.B.Data[5] += 1e-6
	var row float64
	for _, v := range f.A.Data[16:32] { // element [1, 1] of B multiplies row 1 of A
		row += float64(v) * float64(v)
	}
	want := a.Scale() * math.Abs(float64(f.B.Data[5])-float64(before)) * math.Sqrt(row)
	if d, err := Distance(a, b); err != nil || math.Abs(d/want-1) > 1e-6 {
		t.Errorf("distance %v (%v), want %v", d, err, want)
	}
}

func TestCosineFlat(t *testing.T) {
	a := random(t, Config{Rank: 2}, shapesOf(2), 1)
	if c, err := CosineFlat(a, a); err != nil || math.Abs(c-1) > 1e-12 {
		t.Errorf("with itself: %v (%v)", c, err)
	}
	minus := a.Clone()
	flat := a.Flatten()
	for i := range flat {
		flat[i] = -3 * flat[i]
	}
	if err := minus.SetFlat(flat); err != nil {
		t.Fatal(err)
	}
	if c, err := CosineFlat(a, minus); err != nil || math.Abs(c+1) > 1e-12 {
		t.Errorf("with its negative: %v (%v)", c, err)
	}
	// (-B)(-A) is BA: the updates agree where the numbers are opposite.
	if c, err := CosineUpdate(a, minus); err != nil || math.Abs(c-1) > 1e-7 {
		t.Errorf("updates: %v (%v)", c, err)
	}
	fresh, _ := New(Config{Rank: 2}, shapesOf(2), 1)
	if c, err := CosineUpdate(a, fresh); err != nil || c != 0 {
		t.Errorf("with a zero update: %v (%v)", c, err)
	}
	if _, err := CosineFlat(a, random(t, Config{Rank: 3}, shapesOf(2), 1)); !errors.Is(err, ErrMismatch) {
		t.Errorf("other rank: %v", err)
	}
	if _, err := CosineFlat(a, random(t, Config{Rank: 2}, shapesOf(1), 1)); !errors.Is(err, ErrMismatch) {
		t.Errorf("fewer layers: %v", err)
	}
	if u := a.Update(Key{9, "q_proj"}); u.Data != nil {
		t.Errorf("an update of a layer that is not there: %v", u)
	}
}
