package backbone

import (
	"fmt"
	"math"
)

// RotaryFactors returns what the rotary frequency of each pair of a head's dimensions is divided by, [headDim/2], for base:
// f_i = base^(-2i/headDim) / factor_i. It follows Transformers' rope types linear, llama3 and yarn; explicit Factors win.
func (s *RopeScaling) RotaryFactors(headDim int, base float64) []float64 {
	out := make([]float64, headDim/2)
	for i := range out {
		out[i] = 1
	}
	if s == nil {
		return out
	}
	if len(s.Factors) == len(out) {
		copy(out, s.Factors)
		return out
	}
	switch s.Type {
	case "linear":
		for i := range out {
			out[i] = s.Factor
		}
	case "llama3":
		for i := range out {
			wave := 2 * math.Pi * math.Pow(base, float64(2*i)/float64(headDim))
			// smooth is 1 for short waves, which stay, and 0 for long ones, which are stretched by Factor.
			smooth := (float64(s.Original)/wave - s.LowFreq) / (s.HighFreq - s.LowFreq)
			smooth = min(1, max(0, smooth))
			out[i] = 1 / ((1-smooth)/s.Factor + smooth)
		}
	case "yarn":
		low, high := s.yarnRange(headDim, base)
		for i := range out {
			ramp := min(1, max(0, (float64(i)-low)/(high-low)))
			out[i] = 1 / (ramp/s.Factor + 1 - ramp)
		}
	}
	return out
}

// yarnRange returns between which pairs YaRN (arXiv 2309.00071, section 3.2) goes over from unscaled to fully scaled frequencies: the
// pairs that turn BetaFast and BetaSlow times within the original context.
func (s *RopeScaling) yarnRange(headDim int, base float64) (low, high float64) {
	pair := func(turns float64) float64 {
		return float64(headDim) * math.Log(float64(s.Original)/(turns*2*math.Pi)) / (2 * math.Log(base))
	}
	low, high = pair(s.BetaFast), pair(s.BetaSlow)
	if !s.NoTruncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(headDim-1))
	if low == high {
		high += .001
	}
	return low, high
}

// yarnAttention is the factor on cosines and sines that YaRN has by default.
func yarnAttention(factor, mscale float64) float64 {
	if factor <= 1 {
		return 1
	}
	return .1*mscale*math.Log(factor) + 1
}

// finish validates the scaling and fills in Factors. attention is the factor on cosines and sines, which Config folds into
// QueryScale.
func (s *RopeScaling) finish(headDim int, base float64) error {
	positive := func(name string, v float64) error {
		if v > 0 && v <= 1e9 {
			return nil
		}
		return fmt.Errorf("%w: rope scaling %q with %s = %v", ErrConfig, s.Type, name, v)
	}
	var err error
	switch s.Type {
	case "linear":
		err = positive("factor", s.Factor)
	case "llama3":
		for _, e := range []error{positive("factor", s.Factor), positive("low_freq_factor", s.LowFreq), positive("high_freq_factor", s.HighFreq),
			positive("original_max_position_embeddings", float64(s.Original)), positive("high_freq_factor - low_freq_factor", s.HighFreq-s.LowFreq)} {
			if err == nil {
				err = e
			}
		}
	case "yarn":
		for _, e := range []error{positive("factor", s.Factor), positive("beta_fast", s.BetaFast), positive("beta_slow", s.BetaSlow),
			positive("original_max_position_embeddings", float64(s.Original)), positive("attention_factor", s.Attention)} {
			if err == nil {
				err = e
			}
		}
	case "factors":
		if len(s.Factors) != headDim/2 {
			err = fmt.Errorf("%w: %d rotary factors for heads of %d dimensions", ErrTensorShape, len(s.Factors), headDim)
		}
	default:
		err = fmt.Errorf("%w: rope scaling type %q (linear, llama3, yarn and dynamic are)", ErrUnsupported, s.Type)
	}
	if err != nil {
		return err
	}
	s.Factors = s.RotaryFactors(headDim, base)
	for i, f := range s.Factors {
		if !(f > 0) || math.IsInf(f, 0) {
			return fmt.Errorf("%w: rotary factor %d is %v", ErrConfig, i, f)
		}
	}
	return nil
}
