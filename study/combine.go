package study

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	"lsat/adapter"
	"lsat/metric"
	"lsat/strategy"
)

// outcome is a strategy's prediction of one test period.
type outcome struct {
	// keys are the adapters served, as in Combination.Parts.
	keys []string
	// weight is the long-term part's; NaN where there is nothing to weigh.
	weight float64
	// coefficients are those of a stack, nil otherwise.
	coefficients []Coefficient
	// curve is what every weight of the grid gives, nil where there is nothing to weigh.
	curve []WeightPoint
	// validAUC is the AUC on the validation part of the update's period, of what is served.
	validAUC float64
	test     []float64
}

// scoreName is the planned name of scoring a list under an adapter: steps that want the same share it.
func scoreName(seed uint64, adapter string, list *sampleList) string {
	if adapter == bareKey {
		return bareName(list)
	}
	return fmt.Sprintf("score/%d/%s/%s", seed, adapter, list.name)
}

// fusedName is the planned name of one adapter made of two, by a weight or by the one that is going to be chosen.
func fusedName(kind strategy.Kind, weight, long, short string) string {
	return fmt.Sprintf("%s %s of %s and %s", kind, weight, long, short)
}

const chosen = "chosen"

func weightText(w float64) string { return strconv.FormatFloat(w, 'g', -1, 64) }

// outcome trains what a step needs, chooses the weight on the validation part of the update's period or on periods that are over, and scores the test period. No
// test sample takes part in any choice.
func (x *executor) outcome(ctx context.Context, s step, seed uint64) (outcome, error) {
	o := outcome{weight: notWeighed}
	parts, err := x.adapters(ctx, s.combo.Parts, seed)
	if err != nil {
		return o, err
	}
	for _, k := range parts {
		o.keys = append(o.keys, k.key)
	}
	switch s.combo.Kind {
	case strategy.Bare:
		return x.single(ctx, s, seed, kept{name: bareKey, key: bareKey}, o)
	case strategy.Single:
		return x.single(ctx, s, seed, parts[0], o)
	case strategy.Ensemble:
		return x.ensemble(ctx, s, seed, parts[0], parts[1], o)
	case strategy.Stack:
		return x.stack(ctx, s, seed, parts, o)
	}
	return x.fusion(ctx, s, seed, parts[0], parts[1], o)
}

// adapters are those that jobs end with.
func (x *executor) adapters(ctx context.Context, jobs []*strategy.Job, seed uint64) ([]kept, error) {
	out := make([]kept, len(jobs))
	for i, j := range jobs {
		var err error
		if out[i], err = x.job(ctx, j, seed); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// on scores one part of the stream under one adapter, on top of the prior where that is how it was trained.
func (x *executor) on(ctx context.Context, s step, seed uint64, k kept, list *sampleList) ([]float64, error) {
	odds, err := x.adapterOdds(ctx, s, seed, k, list)
	if err != nil || !k.onPrior {
		return odds, err
	}
	sum, err := x.priorOdds(ctx, list.samples())
	for i := range sum {
		sum[i] += odds[i]
	}
	return sum, err
}

// adapterOdds are an adapter's own log-odds; of one that serves on top of the prior, by how much they are above the bare backbone's.
func (x *executor) adapterOdds(ctx context.Context, s step, seed uint64, k kept, list *sampleList) ([]float64, error) {
	task := fmt.Sprintf("scoring %s with %s%s", list.name, s.strategy.Name(), x.seedText(seed))
	odds, err := x.scores(ctx, scoreName(seed, k.name, list), task, k.key, k.adapter, list)
	if err != nil || !k.onPrior {
		return odds, err
	}
	bare, err := x.bareOdds(ctx, list)
	if err != nil {
		return nil, err
	}
	above := make([]float64, len(odds))
	for i := range odds {
		above[i] = odds[i] - bare[i]
	}
	return above, nil
}

func (x *executor) single(ctx context.Context, s step, seed uint64, k kept, o outcome) (outcome, error) {
	valid := x.lists.valid(s.combo.Valid)
	v, err := x.on(ctx, s, seed, k, valid)
	if err != nil {
		return o, err
	}
	if o.validAUC, err = x.auc(v, valid); err != nil {
		return o, err
	}
	o.test, err = x.on(ctx, s, seed, k, x.lists.test(s.test()))
	return o, err
}

func (x *executor) auc(odds []float64, list *sampleList) (float64, error) {
	auc, err := metric.AUC(odds, labelsOf(x.in.Stream, list.samples()))
	if err != nil {
		return 0, fmt.Errorf("study: %s: %w", list.name, err)
	}
	return auc, nil
}

// both scores one part of the stream under either adapter.
func (x *executor) both(ctx context.Context, s step, seed uint64, long, short kept, list *sampleList) (l, sh []float64, err error) {
	if l, err = x.on(ctx, s, seed, long, list); err != nil {
		return nil, nil, err
	}
	sh, err = x.on(ctx, s, seed, short, list)
	return l, sh, err
}

func (x *executor) ensemble(ctx context.Context, s step, seed uint64, long, short kept, o outcome) (outcome, error) {
	valid, test := x.lists.valid(s.combo.Valid), x.lists.test(s.test())
	l, sh, err := x.both(ctx, s, seed, long, short, valid)
	if err != nil {
		return o, err
	}
	validAUC := func(w float64) (float64, error) { return x.mixedAUC(w, l, sh, valid) }
	var criterion func(w float64) (float64, error)
	if len(s.combo.Past) > 0 {
		if criterion, err = x.servedAUC(ctx, s, seed); err != nil {
			return o, err
		}
	}
	if err := x.choose(&o, validAUC, criterion); err != nil {
		return o, err
	}
	if l, sh, err = x.both(ctx, s, seed, long, short, test); err != nil {
		return o, err
	}
	if o.test, err = metric.MixProbabilities(o.weight, l, sh); err != nil {
		return o, err
	}
	for i := range o.curve { // the choice is made: this shows what another one would have given
		if o.curve[i].TestAUC, err = x.mixedAUC(o.curve[i].Weight, l, sh, test); err != nil {
			return o, err
		}
	}
	return o, nil
}

// mixedAUC is the AUC of w*p_long + (1-w)*p_short.
func (x *executor) mixedAUC(w float64, long, short []float64, list *sampleList) (float64, error) {
	mixed, err := metric.MixProbabilities(w, long, short)
	if err != nil {
		return 0, err
	}
	return x.auc(mixed, list)
}

// servedAUC is the mean AUC that a weight would have given in the periods that are over, each with the parts that served it.
func (x *executor) servedAUC(ctx context.Context, s step, seed uint64) (func(w float64) (float64, error), error) {
	type odds struct{ long, short []float64 }
	served := make([]odds, len(s.combo.Past))
	for n, p := range s.combo.Past {
		parts, err := x.adapters(ctx, p.Parts, seed)
		if err != nil {
			return nil, err
		}
		o := &served[n]
		if o.long, o.short, err = x.both(ctx, s, seed, parts[0], parts[1], x.lists.test(p.Test)); err != nil {
			return nil, err
		}
	}
	return func(w float64) (float64, error) {
		sum := 0.0
		for n, p := range s.combo.Past {
			auc, err := x.mixedAUC(w, served[n].long, served[n].short, x.lists.test(p.Test))
			if err != nil {
				return 0, err
			}
			sum += auc
		}
		return sum / float64(len(s.combo.Past)), nil
	}, nil
}

func (x *executor) fusion(ctx context.Context, s step, seed uint64, long, short kept, o outcome) (outcome, error) {
	valid := x.lists.valid(s.combo.Valid)
	validAUC := func(w float64) (float64, error) {
		k, err := fuse(s.combo.Kind, w, long, short)
		if err != nil {
			return 0, err
		}
		v, err := x.on(ctx, s, seed, k, valid)
		if err != nil {
			return 0, err
		}
		return x.auc(v, valid)
	}
	if err := x.choose(&o, validAUC, nil); err != nil {
		return o, err
	}
	k, err := fuse(s.combo.Kind, o.weight, long, short)
	if err != nil {
		return o, err
	}
	k.name = fusedName(s.combo.Kind, chosen, long.name, short.name)
	o.test, err = x.on(ctx, s, seed, k, x.lists.test(s.test()))
	return o, err
}

// choose sets the outcome's weight to the best of the grid by a criterion, nil for the validation AUC, and its curve to what the grid gives on the
// validation part.
func (x *executor) choose(o *outcome, validAUC, criterion func(w float64) (float64, error)) error {
	grid := strategy.Weights()
	for _, w := range grid {
		auc, err := validAUC(w)
		if err != nil {
			return err
		}
		o.curve = append(o.curve, WeightPoint{Weight: w, ValidAUC: auc, TestAUC: math.NaN()})
	}
	by := make([]float64, len(grid))
	for i, w := range grid {
		by[i] = o.curve[i].ValidAUC
		if criterion != nil {
			var err error
			if by[i], err = criterion(w); err != nil {
				return err
			}
		}
	}
	best := strategy.Choose(grid, by)
	if best < 0 {
		return fmt.Errorf("study: no weight has an AUC")
	}
	o.weight, o.validAUC = grid[best], o.curve[best].ValidAUC
	return nil
}

// fuse makes one adapter of two. Weights 1 and 0 are the parts themselves, under their own keys, so that nothing is scored twice.
func fuse(kind strategy.Kind, w float64, long, short kept) (kept, error) {
	switch w {
	case 1:
		return long, nil
	case 0:
		return short, nil
	}
	a, err := adapter.Combine(string(kind), long.adapter, short.adapter, w, 0)
	if err != nil {
		return kept{}, err
	}
	sum := sha256.Sum256([]byte(string(kind) + "\n" + weightText(w) + "\n" + long.key + "\n" + short.key))
	return kept{name: fusedName(kind, weightText(w), long.name, short.name), key: hex.EncodeToString(sum[:]), adapter: a, onPrior: long.onPrior}, nil
}
