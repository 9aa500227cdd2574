package adapter

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Update forms one projection's update Scale * B A, [out, in]. It is the zero Matrix where the adapter does not have the projection, or its factors do not
// fit together.
func (a *Adapter) Update(k Key) Matrix {
	f, ok := a.Layers[k]
	if !ok || f.A.check() != nil || f.B.check() != nil || f.B.Cols != f.A.Rows {
		return Matrix{}
	}
	out, scale := zeros(f.B.Rows, f.A.Cols), a.Scale()
	row := make([]float64, f.A.Cols)
	for i := range f.B.Rows {
		clear(row)
		for j, b := range f.B.Data[i*f.B.Cols : (i+1)*f.B.Cols] {
			if b != 0 {
				axpy(row, scale*float64(b), f.A.Data[j*f.A.Cols:(j+1)*f.A.Cols])
			}
		}
		narrow(out.Data[i*f.A.Cols:], row)
	}
	return out
}

// Norm is the Frobenius norm of all updates together.
func Norm(a *Adapter) (float64, error) {
	return combinedNorm([]*Adapter{a}, []float64{1})
}

// Distance is the Frobenius norm of the difference of the updates, all projections together; a projection that only one of them
// has counts whole. The updates are not formed.
func Distance(a, b *Adapter) (float64, error) {
	return combinedNorm([]*Adapter{a, b}, []float64{1, -1})
}

// combinedNorm is the Frobenius norm of the weighted sum of the updates. It goes through QR of the stacked factors rather than inner products,
// which would lose half the digits where the adapters are close.
func combinedNorm(adapters []*Adapter, weights []float64) (float64, error) {
	keys, err := union(adapters, weights)
	if err != nil {
		return 0, err
	}
	sum := 0.
	for _, k := range keys {
		var left, right *mat.Dense // [out, ranks] and [in, ranks]
		for i, a := range adapters {
			f, ok := a.Layers[k]
			if !ok {
				continue
			}
			left = beside(left, dense(f.B, weights[i]*a.Scale()))
			right = beside(right, mat.DenseCopyOf(dense(f.A, 1).T()))
		}
		_, rb := qr(left)
		_, ra := qr(right)
		var core mat.Dense
		core.Mul(rb, ra.T())
		n := mat.Norm(&core, 2)
		sum += n * n
	}
	return math.Sqrt(sum), nil
}

// beside puts m to the right of what is there.
func beside(left, m *mat.Dense) *mat.Dense {
	if left == nil {
		return m
	}
	var both mat.Dense
	both.Augment(left, m)
	return &both
}

// CosineUpdate is the cosine between two adapters' updates, all projections together; one that an adapter lacks is zero in it. It is 0 where
// either update is zero. Unlike CosineFlat it does not depend on how an update is split into factors.
func CosineUpdate(a, b *Adapter) (float64, error) {
	keys, err := union([]*Adapter{a, b}, []float64{1, 1})
	if err != nil {
		return 0, err
	}
	dot := 0.
	for _, k := range keys {
		f, inA := a.Layers[k]
		g, inB := b.Layers[k]
		if !inA || !inB {
			continue
		}
		// <Ba Aa, Bb Ab> = sum over ranks of (Ba'Bb) * (Aa Ab')
		var bb, aa mat.Dense
		bb.Mul(dense(f.B, 1).T(), dense(g.B, 1))
		aa.Mul(dense(f.A, 1), dense(g.A, 1).T())
		bb.MulElem(&bb, &aa)
		dot += a.Scale() * b.Scale() * mat.Sum(&bb)
	}
	na, err := Norm(a)
	if err != nil {
		return 0, err
	}
	nb, err := Norm(b)
	if err != nil || na == 0 || nb == 0 {
		return 0, err
	}
	return max(-1, min(1, dot/(na*nb))), nil
}

// CosineFlat is the cosine between two adapters' numbers as Flatten lays them out. Both must have the same projections, shapes and
// rank. It is 0 where either is all zeros.
func CosineFlat(a, b *Adapter) (float64, error) {
	keys, err := union([]*Adapter{a, b}, []float64{1, 1})
	if err != nil {
		return 0, err
	}
	if a.Rank() != b.Rank() || len(keys) != len(a.Layers) || len(keys) != len(b.Layers) {
		return 0, fmt.Errorf("adapter: %w: rank %d with %d projections, rank %d with %d", ErrMismatch, a.Rank(), len(a.Layers), b.Rank(), len(b.Layers))
	}
	var dot, aa, bb float64
	x, y := a.Flatten(), b.Flatten()
	for i, v := range x {
		p, q := float64(v), float64(y[i])
		dot, aa, bb = dot+p*q, aa+p*p, bb+q*q
	}
	if aa == 0 || bb == 0 {
		return 0, nil
	}
	return max(-1, min(1, dot/math.Sqrt(aa*bb))), nil
}
