package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// BootstrapOptions say how to resample. The zero value of a field means its default.
type BootstrapOptions struct {
	// Replicates is the number of resamples. Default 2000.
	Replicates int
	// Level is the confidence level. Default .95.
	Level float64
	// Seed of the resampling. The same seed gives the same result.
	Seed uint64
	// Clusters, if given, names for each sample the cluster (the user) that is drawn as a whole: samples of one user are not
	// independent, so intervals by user are wider and more honest. Nil draws single samples.
	Clusters []int32
}

// Bootstrapped is a difference with its bootstrap distribution's summary.
type Bootstrapped struct {
	// Value is the difference on the samples themselves; SE is the standard deviation of the replicates.
	Value, SE float64
	// Low and High are the percentile interval.
	Low, High float64
	// P is twice the smaller share of replicates at or beyond 0, counting one more on each side, at most 1.
	P float64
	// Replicates counts the resamples used; Rejected those drawn again because they held one class only.
	Replicates, Rejected int
}

// BootstrapAUC resamples the paired difference AUC(a) - AUC(b) on one test set.
func BootstrapAUC(ctx context.Context, a, b []float64, labels []bool, opts BootstrapOptions) (Bootstrapped, error) {
	return BootstrapMeanAUC(ctx, []Paired{{A: a, B: b, Labels: labels}}, opts)
}

// Paired are two models' scores of one test set, such as one period's.
type Paired struct {
	A, B   []float64
	Labels []bool
}

// BootstrapMeanAUC resamples the mean over the test sets of AUC(A) - AUC(B). opts.Clusters names the users of all sets' samples, one set after
// another: a user who is in several sets is drawn in all of them at once. A resample that leaves a set with one class is drawn again.
func BootstrapMeanAUC(ctx context.Context, sets []Paired, opts BootstrapOptions) (Bootstrapped, error) {
	n := 0
	orders := make([][2][]int32, len(sets))
	for k, s := range sets {
		if err := errors.Join(check(s.A, s.Labels), check(s.B, s.Labels)); err != nil {
			return Bootstrapped{}, err
		}
		if _, _, err := classes(s.Labels); err != nil {
			return Bootstrapped{}, err
		}
		// The orders are sorted once; a resample only changes how often each sample counts.
		orders[k] = [2][]int32{order(s.A), order(s.B)}
		n += len(s.Labels)
	}
	return opts.run(ctx, n, func(weight []float64) (float64, bool) {
		sum := 0.0
		for k, s := range sets {
			x, ok := weightedAUC(orders[k][0], s.A, s.Labels, weight)
			if !ok {
				return 0, false
			}
			y, _ := weightedAUC(orders[k][1], s.B, s.Labels, weight)
			sum += x - y
			weight = weight[len(s.Labels):]
		}
		return sum / float64(len(sets)), true
	})
}

// BootstrapMean resamples the mean of per-sample differences, such as those of log-losses or Brier scores.
func BootstrapMean(ctx context.Context, differences []float64, opts BootstrapOptions) (Bootstrapped, error) {
	for i, d := range differences {
		if math.IsNaN(d) {
			return Bootstrapped{}, fmt.Errorf("metric: %w: difference %d of %d", ErrNaN, i, len(differences))
		}
	}
	return opts.run(ctx, len(differences), func(weight []float64) (float64, bool) {
		var sum, total float64
		for i, w := range weight {
			sum += w * differences[i]
			total += w
		}
		return sum / total, total > 0
	})
}

// weightedAUC is the AUC of samples that count as often as their weight says; false where a class is missing.
func weightedAUC(idx []int32, scores []float64, labels []bool, weight []float64) (float64, bool) {
	var pos, below, u float64
	for lo := 0; lo < len(idx); {
		var p, n float64
		hi := lo
		for ; hi < len(idx) && scores[idx[hi]] == scores[idx[lo]]; hi++ {
			if i := idx[hi]; labels[i] {
				p += weight[i]
			} else {
				n += weight[i]
			}
		}
		u += p * (below + n/2)
		pos += p
		below += n
		lo = hi
	}
	if pos == 0 || below == 0 {
		return 0, false
	}
	return u / (pos * below), true
}

// run draws the replicates of a statistic of the samples' weights.
func (o BootstrapOptions) run(ctx context.Context, n int, stat func(weight []float64) (float64, bool)) (Bootstrapped, error) {
	if n == 0 {
		return Bootstrapped{}, fmt.Errorf("metric: %w", ErrEmpty)
	}
	if o.Replicates == 0 {
		o.Replicates = 2000
	}
	if o.Level == 0 {
		o.Level = .95
	}
	if o.Replicates < 1 || o.Level <= 0 || o.Level >= 1 {
		return Bootstrapped{}, fmt.Errorf("metric: bootstrap of %d replicates at level %g: want at least one, and a level between 0 and 1",
			o.Replicates, o.Level)
	}
	if o.Clusters != nil && len(o.Clusters) != n {
		return Bootstrapped{}, fmt.Errorf("metric: %w: %d samples, %d clusters", ErrLength, n, len(o.Clusters))
	}
	cluster, clusters := o.clusters(n)
	weight := make([]float64, n)
	for i := range weight {
		weight[i] = 1
	}
	r := Bootstrapped{Replicates: o.Replicates}
	value, ok := stat(weight)
	if !ok {
		return r, fmt.Errorf("metric: %w", ErrOneClass)
	}
	r.Value = value
	rng := rand.New(rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15))
	count := make([]float64, clusters)
	values := make([]float64, 0, o.Replicates)
	for len(values) < o.Replicates {
		if err := ctx.Err(); err != nil {
			return r, fmt.Errorf("metric: bootstrap stopped after %d of %d replicates: %w", len(values), o.Replicates, err)
		}
		clear(count)
		for range count {
			count[rng.IntN(clusters)]++
		}
		for i := range weight {
			weight[i] = count[cluster[i]]
		}
		if v, ok := stat(weight); ok {
			values = append(values, v)
		} else if r.Rejected++; r.Rejected > 100*o.Replicates {
			return r, fmt.Errorf("metric: bootstrap: %w in %d resamples", ErrOneClass, r.Rejected)
		}
	}
	r.summarize(values, o.Level)
	return r, nil
}

// clusters numbers the clusters in order of first appearance; without any, every sample is its own.
func (o BootstrapOptions) clusters(n int) (of []int32, count int) {
	of = make([]int32, n)
	if o.Clusters == nil {
		for i := range of {
			of[i] = int32(i)
		}
		return of, n
	}
	number := map[int32]int32{}
	for i, c := range o.Clusters {
		k, ok := number[c]
		if !ok {
			k = int32(len(number))
			number[c] = k
		}
		of[i] = k
	}
	return of, len(number)
}

func (r *Bootstrapped) summarize(values []float64, level float64) {
	slices.Sort(values)
	r.Low, r.High = quantile(values, (1-level)/2), quantile(values, (1+level)/2)
	var sum, squares, below, above float64
	for _, v := range values {
		sum += v
		if v <= 0 {
			below++
		}
		if v >= 0 {
			above++
		}
	}
	n := float64(len(values))
	for _, v := range values {
		squares += (v - sum/n) * (v - sum/n)
	}
	r.SE = math.Sqrt(squares / max(1, n-1))
	r.P = min(1, 2*(min(below, above)+1)/(n+1))
}

// quantile interpolates linearly between the order statistics (Hyndman and Fan's type 7).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	lo := int(at)
	hi := min(lo+1, len(sorted)-1)
	return sorted[lo] + (at-float64(lo))*(sorted[hi]-sorted[lo])
}
