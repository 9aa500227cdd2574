package study

import (
	"fmt"
	"slices"
	"strings"

	"lsat/engine"
	"lsat/strategy"
	"lsat/train"
)

func ensembleName(periods int) string { return fmt.Sprintf("lsat-ensemble-%d", periods) }

// check refuses what cannot be run, whatever the data. It expects the defaults filled in.
func (c Config) check() error {
	if c.Data.Name == "" && c.Data.Path == "" {
		return keyError("data", "want a name of the catalogue, or a path")
	}
	if c.Backbone == "" {
		return keyError("backbone", "is missing: name a model of the catalogue, hf:org/name, or a path")
	}
	if !slices.Contains([]string{"auto", "bf16", "f32"}, c.DType) {
		return keyError("dtype", "%q is not one of auto, bf16, f32", c.DType)
	}
	if !slices.Contains(engine.Quantizations(), c.Quantize) {
		return keyError("quantize", "%q is not one of %s", c.Quantize, strings.Join(engine.Quantizations(), ", "))
	}
	if _, err := engine.ParseMemory(c.Memory); err != nil {
		return keyError("memory", "%q is not auto, off, or a size such as 16GB", c.Memory)
	}
	if b := or(c.BatchTokens, max(1024, c.RowTokens)); b < or(c.RowTokens, 512) {
		return keyError("batch_tokens", "%d is less than a row, of %d tokens", b, or(c.RowTokens, 512))
	}
	if _, err := c.DatasetOptions(); err != nil {
		return err
	}
	so, err := c.StreamOptions()
	if err != nil {
		return err
	}
	if _, err := so.WithDefaults(); err != nil {
		return keyError("stream", "%s", err)
	}
	if f := c.Stream.ValidFraction; f < 0 {
		return keyError("stream.valid_fraction", "%v: a study needs a validation part", f)
	}
	for _, n := range []struct {
		key   string
		value int
	}{
		{"data.filter.min_user", c.Data.Filter.MinUser}, {"data.filter.min_item", c.Data.Filter.MinItem}, {"max_train_per_period", c.MaxTrainPerPeriod},
		{"max_valid_per_period", c.MaxValidPerPeriod}, {"max_test_per_period", c.MaxTestPerPeriod}, {"max_long_samples", c.MaxLongSamples},
		{"devices", c.Devices}, {"row_tokens", c.RowTokens}, {"batch_tokens", c.BatchTokens},
	} {
		if n.value < 0 {
			return keyError(n.key, "%d is negative", n.value)
		}
	}
	if err := c.AdapterConfig().Validate(); err != nil {
		return keyError("adapter", "%s", strings.TrimPrefix(err.Error(), "adapter: "))
	}
	if err := checkHyper("hyper.long", c.Hyper.Long); err != nil {
		return err
	}
	if err := checkHyper("hyper.update", c.Hyper.Update); err != nil {
		return err
	}
	if i, j := firstTwice(c.Seeds); j > 0 {
		return keyError("seeds", "%d is given twice", c.Seeds[i])
	}
	return c.checkPeriods()
}

func checkHyper(key string, h train.Hyper) error {
	for _, n := range []struct {
		name  string
		value float64
	}{
		{"learning_rate", h.LearningRate}, {"beta1", h.Beta1}, {"beta2", h.Beta2}, {"epsilon", h.Epsilon}, {"weight_decay", h.WeightDecay},
		{"batch", float64(h.Batch)}, {"epochs", float64(h.Epochs)}, {"warmup", float64(h.Warmup)}, {"eval_every", float64(h.EvalEvery)},
		{"patience", float64(h.Patience)},
	} {
		if !(n.value >= 0) || n.value > 1e9 {
			return keyError(key+"."+n.name, "%v is out of range", n.value)
		}
	}
	if h.Order != "" && !slices.Contains(train.Orders(), h.Order) {
		return keyError(key+".order", "%q is not one of %s", h.Order, strings.Join(train.Orders(), ", "))
	}
	if h.Beta1 >= 1 || h.Beta2 >= 1 {
		return keyError(key, "beta1 and beta2 must be below 1")
	}
	return nil
}

func (c Config) checkPeriods() error {
	if c.LongPeriods < 1 {
		return keyError("long_periods", "%d is not positive", c.LongPeriods)
	}
	if c.Periods.First < 1 {
		return keyError("periods.first", "%d: the first test period is at least 1, since period 0 trains", c.Periods.First)
	}
	if c.Periods.Last < c.Periods.First {
		return keyError("periods.last", "%d is before the first test period %d", c.Periods.Last, c.Periods.First)
	}
	if c.Periods.Last >= c.Stream.Count {
		return keyError("periods.last", "%d: the stream has periods 0-%d", c.Periods.Last, c.Stream.Count-1)
	}
	if i, j := firstTwice(c.Strategies); j > 0 {
		return keyError("strategies", "%q is given twice", c.Strategies[i])
	}
	for _, name := range c.Strategies {
		s, err := strategy.New(name, c.strategyOptions())
		if err != nil {
			if near := nearest(name, strategy.Names()); near != "" {
				return keyError("strategies", "unknown strategy %q: did you mean %q?", name, near)
			}
			return keyError("strategies", "%s", err)
		}
		p := c.limit(name)
		if p.First > p.Last {
			return keyError("limits."+name, "leaves no test period of %d-%d", c.Periods.First, c.Periods.Last)
		}
		if _, err := s.At(p.First - 1); err != nil {
			return keyError("strategies", "test period %d is updated with period %d: %s", p.First, p.First-1, err)
		}
	}
	if _, err := references(c); err != nil {
		return err
	}
	if strings.Contains(c.Prior, "+") {
		if _, err := blendOf(c.Prior); err != nil {
			return keyError("prior", "%s", err)
		}
	} else if !slices.Contains(priorNames(), c.Prior) {
		return keyError("prior", "unknown reference %q: there are %s, and sums of them written with +", c.Prior, strings.Join(priorNames(), ", "))
	}
	for _, name := range sortedKeys(c.Limits) {
		if !slices.Contains(c.Strategies, name) {
			return keyError("limits."+name, "is not among the strategies")
		}
	}
	if !slices.Contains(c.Strategies, c.CompareTo) {
		return keyError("compare_to", "%q is not among the strategies", c.CompareTo)
	}
	return nil
}

func (c Config) strategyOptions() strategy.Options {
	return strategy.Options{First: c.Periods.First - 1, LongPeriods: c.LongPeriods}
}

// firstTwice returns the first two places that hold the same value, or 0, 0.
func firstTwice[T comparable](list []T) (int, int) {
	for j := range list {
		if i := slices.Index(list[:j], list[j]); i >= 0 {
			return i, j
		}
	}
	return 0, 0
}
