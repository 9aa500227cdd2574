package adapter

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrMismatch is in the chain of every error about adapters that cannot be combined or compared.
var ErrMismatch = errors.New("adapters do not match")

// FusePaper is the paper's task arithmetic (LSAT-TA): A = w*A_long + (1-w)*A_short, and the same for B. It is not the weighted sum of the
// updates: with w1 = w and w2 = 1-w its update lacks w1*w2*(B1-B2)(A1-A2) of that. Both adapters must have the same
// projections, rank and scale, since elements of different places cannot be averaged. w is any finite number; 1 and 0
// give back the parts bit by bit. The configuration is the long adapter's.
func FusePaper(long, short *Adapter, w float64) (*Adapter, error) {
	keys, err := union([]*Adapter{long, short}, []float64{w, 1 - w})
	if err != nil {
		return nil, err
	}
	if long.Rank() != short.Rank() || long.Scale() != short.Scale() {
		return nil, fmt.Errorf("adapter: %w: elementwise fusion of rank %d, scale %v with rank %d, scale %v", ErrMismatch, long.Rank(), long.Scale(), short.Rank(), short.Scale())
	}
	for _, k := range keys {
		_, inLong := long.Layers[k]
		_, inShort := short.Layers[k]
		if !inLong || !inShort {
			return nil, fmt.Errorf("adapter: %w: elementwise fusion needs the same projections, only one of the two has %s", ErrMismatch, k)
		}
	}
	switch w {
	case 1:
		return long.Clone(), nil
	case 0:
		return withConfig(short, long.Config), nil
	}
	out := long.Clone()
	for _, k := range keys {
		f, g := out.Layers[k], short.Layers[k]
		lerp(f.A.Data, g.A.Data, w)
		lerp(f.B.Data, g.B.Data, w)
	}
	return finish(out)
}

// withConfig is a copy of an adapter under another configuration.
func withConfig(a *Adapter, cfg Config) *Adapter {
	c := a.Clone()
	c.Config = cfg
	c.Config.Modules = slices.Clone(cfg.Modules)
	return c
}

// lerp sets x to w*x + (1-w)*y.
func lerp(x, y []float32, w float64) {
	for i, v := range x {
		x[i] = float32(w*float64(v) + (1-w)*float64(y[i]))
	}
}

// FusePEFT is PEFT's add_weighted_adapter with combination_type="linear": A = sum sign(w_i)*sqrt(|w_i|*s_i)*A_i and
// B = sum sqrt(|w_i|*s_i)*B_i, with s_i the adapters' scales. The result has scale 1 (alpha = rank, no rsLoRA; PEFT itself leaves use_rslora on where the
// first adapter has it, and so scales its result by another sqrt(rank)). All must have the same rank; an adapter without a
// projection adds nothing there. Like FusePaper it has cross terms.
func FusePEFT(adapters []*Adapter, weights []float64) (*Adapter, error) {
	keys, err := union(adapters, weights)
	if err != nil {
		return nil, err
	}
	rank := adapters[0].Rank()
	for i, a := range adapters {
		if a.Rank() != rank {
			return nil, fmt.Errorf("adapter: %w: fuse-peft needs one rank, adapter 0 has %d and adapter %d has %d", ErrMismatch, rank, i, a.Rank())
		}
	}
	out := fused(adapters, keys, rank, 1)
	for _, k := range keys {
		f := emptyLike(adapters, k, rank)
		sumA, sumB := make([]float64, len(f.A.Data)), make([]float64, len(f.B.Data))
		for i, a := range adapters {
			g, ok := a.Layers[k]
			if !ok {
				continue
			}
			c := math.Sqrt(math.Abs(weights[i]) * a.Scale())
			axpy(sumA, math.Copysign(c, weights[i]), g.A.Data)
			axpy(sumB, c, g.B.Data)
		}
		narrow(f.A.Data, sumA)
		narrow(f.B.Data, sumB)
		out.Layers[k] = f
	}
	return finish(out)
}

// FuseExact gives the true weighted sum of the updates, sum w_i*s_i*B_i A_i: the A stacked, the weighted B side by side. Its rank is the sum of
// the ranks, in the adapters' order; an adapter without a projection has zeros there. Where all have the same scale, the result
// has it too, otherwise 1.
func FuseExact(adapters []*Adapter, weights []float64) (*Adapter, error) {
	keys, err := union(adapters, weights)
	if err != nil {
		return nil, err
	}
	rank, scale := 0, adapters[0].Scale()
	for _, a := range adapters {
		rank += a.Rank()
		if a.Scale() != scale {
			scale = 1
		}
	}
	if rank > maxRank {
		return nil, fmt.Errorf("adapter: the sum of %d adapters would have rank %d, more than %d", len(adapters), rank, maxRank)
	}
	out := fused(adapters, keys, rank, scale)
	for _, k := range keys {
		f, at := emptyLike(adapters, k, rank), 0
		for i, a := range adapters {
			g, ok := a.Layers[k]
			if ok {
				c := weights[i] * (a.Scale() / scale)
				copy(f.A.Data[at*f.A.Cols:], g.A.Data)
				for row := range g.B.Rows {
					for j, v := range g.B.Data[row*g.B.Cols : (row+1)*g.B.Cols] {
						f.B.Data[row*rank+at+j] = float32(c * float64(v))
					}
				}
			}
			at += a.Rank()
		}
		out.Layers[k] = f
	}
	return finish(out)
}

// union checks that adapters belong together and returns all their keys in canonical order.
func union(adapters []*Adapter, weights []float64) ([]Key, error) {
	if len(adapters) == 0 || len(adapters) != len(weights) {
		return nil, fmt.Errorf("adapter: %d adapters and %d weights to combine", len(adapters), len(weights))
	}
	all := &Adapter{Layers: map[Key]Factors{}}
	for i, a := range adapters {
		if err := a.Validate(); err != nil {
			return nil, fmt.Errorf("adapter %d of %d: %w", i, len(adapters), err)
		}
		if math.IsNaN(weights[i]) || math.IsInf(weights[i], 0) {
			return nil, fmt.Errorf("adapter: weight %d is %v", i, weights[i])
		}
		if all.Base == "" {
			all.Base = a.Base
		}
		if a.Base != "" && a.Base != all.Base {
			return nil, fmt.Errorf("adapter: %w: adapter %d is for %q, another for %q", ErrMismatch, i, a.Base, all.Base)
		}
		for k, f := range a.Layers {
			g, ok := all.Layers[k]
			if ok && (f.A.Cols != g.A.Cols || f.B.Rows != g.B.Rows) {
				return nil, fmt.Errorf("adapter: %w: %s is [%d, %d] in one and [%d, %d] in another", ErrMismatch, k, g.B.Rows, g.A.Cols, f.B.Rows, f.A.Cols)
			}
			all.Layers[k] = f
		}
	}
	return all.Keys(), nil
}

// fused is an adapter without tensors, for the sum of others.
func fused(adapters []*Adapter, keys []Key, rank int, scale float64) *Adapter {
	out := &Adapter{Layers: make(map[Key]Factors, len(keys))}
	out.Config = Config{Rank: rank, Alpha: scale * float64(rank), Dropout: adapters[0].Config.WithDefaults().Dropout}
	for _, k := range keys {
		if !slices.Contains(out.Config.Modules, k.Module) {
			out.Config.Modules = append(out.Config.Modules, k.Module)
		}
	}
	for _, a := range adapters {
		if out.Base == "" {
			out.Base = a.Base
		}
	}
	out.Config = out.Config.WithDefaults()
	return out
}

// emptyLike gives zero factors of the shape that k has in whichever adapter has it.
func emptyLike(adapters []*Adapter, k Key, rank int) Factors {
	for _, a := range adapters {
		if f, ok := a.Layers[k]; ok {
			return Factors{A: zeros(rank, f.A.Cols), B: zeros(f.B.Rows, rank)}
		}
	}
	return Factors{}
}

// finish refuses a result whose numbers left float32's range.
func finish(a *Adapter) (*Adapter, error) {
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("combined: %w", err)
	}
	return a, nil
}

func axpy(sum []float64, c float64, x []float32) {
	for i, v := range x {
		sum[i] += c * float64(v)
	}
}

func narrow(dst []float32, src []float64) {
	for i, v := range src {
		dst[i] = float32(v)
	}
}
