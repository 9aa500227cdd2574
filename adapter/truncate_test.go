package adapter

import (
	"errors"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// svdOf decomposes the dense update directly, as an independent witness.
func svdOf(t rapid.TB, m Matrix) []float64 {
	t.Helper()
	var svd mat.SVD
	if !svd.Factorize(dense(m, 1), mat.SVDNone) {
		t.Fatal("no decomposition")
	}
	return svd.Values(nil)
}

func TestTruncationIsBestAndSaysWhatItLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t, "a", drawConfig(t, "a"), true)
		rank := rapid.IntRange(1, 24).Draw(t, "to rank")
		b, report, err := Truncate(a, rank)
		if err != nil {
			t.Fatal(err)
		}
		if b.Rank() != rank || math.Abs(b.Scale()/a.Scale()-1) > 1e-12 || report.Rank != rank || len(report.Keys) != len(a.Layers) {
			t.Fatalf("rank %d, scale %v, report %+v", b.Rank(), b.Scale(), report)
		}
		var lost, whole float64
		for i, k := range a.Keys() {
			before, after, kt := a.Update(k), b.Update(k), report.Keys[i]
			values := svdOf(t, before)
			tail, all := energy(values, rank), energy(values, 0)
			lost, whole = lost+tail, whole+all
			if kt.Layer != k.Layer || kt.Module != k.Module || len(kt.Spectrum) != min(a.Rank(), before.Rows, before.Cols) {
				t.Fatalf("%s: report %+v", k, kt)
			}
			for j, s := range kt.Spectrum {
				if math.Abs(s-values[j]) > 1e-5*values[0] {
					t.Fatalf("%s: singular value %d is %v, of the dense update %v", k, j, s, values[j])
				}
			}
			diff := 0.
			for j, v := range before.Data {
				d := float64(v) - float64(after.Data[j])
				diff += d * d
			}
			// Eckart–Young: the error is the tail of the spectrum; float32 factors add about 1e-7 of the whole.
			if got, want := math.Sqrt(diff), math.Sqrt(tail); math.Abs(got-want) > 1e-5*math.Sqrt(all) {
				t.Fatalf("%s: error %v, tail of the spectrum %v", k, got, want)
			}
			if math.Abs(kt.RelativeError-math.Sqrt(tail/all)) > 1e-5 {
				t.Fatalf("%s: reported %v, is %v", k, kt.RelativeError, math.Sqrt(tail/all))
			}
			f := b.Layers[k]
			for j := range rank {
				if v := largest(dense(f.B, 1), j); v < 0 {
					t.Fatalf("%s: column %d of B has %v as its largest", k, j, v)
				}
			}
		}
		if math.Abs(report.RelativeError-math.Sqrt(lost/whole)) > 1e-5 {
			t.Fatalf("reported %v, is %v", report.RelativeError, math.Sqrt(lost/whole))
		}
		if rank >= a.Rank() && report.RelativeError != 0 {
			t.Fatalf("lossless, but reports %v", report.RelativeError)
		}
	})
}

func TestTruncationIsReproducible(t *testing.T) {
	a := random(t, Config{Rank: 6, Modules: Modules()}, shapesOf(2), 3)
	x, _, err := Truncate(a, 3)
	if err != nil {
		t.Fatal(err)
	}
	y, _, _ := Truncate(a, 3)
	if !x.Equal(y) {
		t.Error("twice the same truncation, two results")
	}
	again, report, err := Truncate(x, 3)
	if err != nil || report.RelativeError != 0 {
		t.Fatal(err, report)
	}
	if d, err := Distance(x, again); err != nil || d > 1e-5 {
		t.Errorf("truncating a truncated adapter moves it by %v (%v)", d, err)
	}
}

func TestTruncationOfNothing(t *testing.T) {
	a, err := New(Config{}, shapesOf(1), 1) // B is zero
	if err != nil {
		t.Fatal(err)
	}
	b, report, err := Truncate(a, 2)
	if err != nil || report.RelativeError != 0 {
		t.Fatalf("%v %+v", err, report)
	}
	if n, err := Norm(b); err != nil || n != 0 {
		t.Errorf("norm %v (%v)", n, err)
	}
	for _, rank := range []int{0, -1, 1 << 30} {
		if _, _, err := Truncate(a, rank); err == nil {
			t.Errorf("truncated to rank %d", rank)
		}
	}
	a.Layers[Key{0, "q_proj"}] = Factors{}
	if _, _, err := Truncate(a, 2); !errors.Is(err, ErrShape) {
		t.Errorf("broken adapter: %v", err)
	}
}
