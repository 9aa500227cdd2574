package main

import (
	"errors"
	"fmt"
	"math"
)

// kind is how a row's figure comes about.
type kind int

const (
	faster   kind = iota // ratio of targets a second, lsat over the peer: at least; by the prompts' tokens where both work on the same prompts' file
	cost                 // ratio of seconds for the same work, lsat over the other: at most
	fraction             // of the machine's peak, matrix products only: at least
	memory               // ratio of the processes' peak memory: at most
	latency              // ratio of latencies, peer over lsat, at the median and at the 99th percentile: at least
)

// row is a line of the table: what lsat does, beside whom, and what is to be reached.
type row struct {
	number   int
	work     string
	peer     string
	kind     kind
	group    string
	ours     string
	theirs   string
	target   float64
	auc      bool    // the AUC on the next period must not be lower either
	products float64 // forward passes that the work is worth: 1 for scoring, 2 for training, whose backward pass has no products of frozen weights' gradients
}

var table = []row{
	{number: 1, work: "train, `tallrec`, samples/s", peer: "PEFT at its best", group: trainGroup, ours: lsatTrainTallrec, theirs: peftTrain, target: 2},
	{number: 1, work: "the same, adapters of the upper 18 of 30 layers over kept states", peer: "PEFT at its best", group: trainGroup, ours: lsatTrainKept, theirs: peftTrain, target: 2},
	{number: 1, work: "the same", peer: "PEFT at its best, adapters of the upper 18 layers", group: trainGroup, ours: lsatTrainKept, theirs: peftTrainTop, target: 2},
	{number: 1, work: "train in 8-bit integers", peer: "PEFT at its best", group: trainGroup, ours: lsatTrainInt8, theirs: peftTrain, target: 2},
	{number: 2, work: "train, `tallrec`, samples/s", peer: "TALLRec as published", group: trainGroup, ours: lsatTrainTallrec, theirs: published, target: 3.5},
	{number: 2, work: "the same, adapters of the upper 18 of 30 layers over kept states", peer: "TALLRec as published", group: trainGroup, ours: lsatTrainKept, theirs: published, target: 3.5},
	{number: 2, work: "train in 8-bit integers", peer: "TALLRec as published", group: trainGroup, ours: lsatTrainInt8, theirs: published, target: 3.5},
	{number: 3, work: "score, `tallrec`, samples/s", peer: "Transformers at its best", group: scoreGroup, ours: lsatScoreTallrec, theirs: transformers, target: 1.6},
	{number: 3, work: "the same in 8-bit integers", peer: "Transformers at its best", group: scoreGroup, ours: lsatScoreInt8, theirs: transformers, target: 1.6},
	{number: 3, work: "the same in 8-bit integers", peer: "Transformers in 8-bit integers", group: scoreGroup, ours: lsatScoreInt8, theirs: transformersInt8, target: 1.6},
	{number: 3, work: "score, `tallrec`, samples/s", peer: "llama.cpp, Q4", group: scoreGroup, ours: lsatScoreTallrec, theirs: llamaScore, target: 4},
	{number: 3, work: "the same in 8-bit integers", peer: "llama.cpp, Q4", group: scoreGroup, ours: lsatScoreInt8, theirs: llamaScore, target: 4},
	{number: 4, work: "train, `stream`, targets/s", peer: "PEFT at its best on `tallrec`", group: trainGroup, ours: lsatTrainStream, theirs: peftTrain, target: 20, auc: true},
	{number: 5, work: "score, `stream`, targets/s", peer: "Transformers at its best on `tallrec`", group: scoreGroup, ours: lsatScoreStream, theirs: transformers, target: 15, auc: true},
	{number: 6, work: "rerank 100 candidates", peer: "llama.cpp's server, prompt cache, 8 slots", kind: latency, group: rerankGroup, ours: lsatRerank, theirs: llamaRerank, target: 5},
	{number: 7, work: "score, two adapters, seconds", peer: "lsat, one adapter", kind: cost, group: scoreGroup, ours: lsatEnsemble, theirs: lsatScoreStream, target: 1.7},
	{number: 7, work: "the same, adapters of the upper 18 of 30 layers", peer: "lsat, one adapter", kind: cost, group: scoreGroup, ours: lsatEnsembleTop, theirs: lsatScoreStream, target: 1.7},
	{number: 8, work: "score, `tallrec`", peer: "the machine's peak", kind: fraction, group: scoreGroup, ours: lsatScoreTallrec, theirs: peak, target: .55, products: 1},
	{number: 8, work: "score, `stream`", peer: "the machine's peak", kind: fraction, group: scoreGroup, ours: lsatScoreStream, theirs: peak, target: .55, products: 1},
	{number: 8, work: "train, `tallrec`", peer: "the machine's peak", kind: fraction, group: trainGroup, ours: lsatTrainTallrec, theirs: peak, target: .45, products: 2},
	{number: 8, work: "train, `stream`", peer: "the machine's peak", kind: fraction, group: trainGroup, ours: lsatTrainStream, theirs: peak, target: .45, products: 2},
	{number: 9, work: "train, `tallrec`, peak memory", peer: "PEFT at its best", kind: memory, group: trainGroup, ours: lsatTrainTallrec, theirs: peftTrain, target: .5},
	{number: 9, work: "the same, adapters of the upper 18 of 30 layers over kept states", peer: "PEFT at its best", kind: memory, group: trainGroup, ours: lsatTrainKept, theirs: peftTrain, target: .5},
	{number: 9, work: "train in 8-bit integers, peak memory", peer: "PEFT at its best", kind: memory, group: trainGroup, ours: lsatTrainInt8, theirs: peftTrain, target: .5},
	{number: 10, work: "start to first training step, seconds", peer: "PEFT", kind: cost, group: startGroup, ours: lsatStart, theirs: peftStart, target: 1},
	{number: 11, work: "score, `tallrec`, samples/s", peer: "vLLM, prefix cache", group: scoreGroup, ours: lsatScoreTallrec, theirs: vllmScore, target: 1},
	{number: 11, work: "score, `stream`, targets/s", peer: "vLLM on `tallrec`", group: scoreGroup, ours: lsatScoreStream, theirs: vllmScore, target: 15},
}

// on says whether the row is measured on a device: both of its contestants are.
func (r row) on(device string) bool { return named(r.ours).on(device) && named(r.theirs).on(device) }

func (r row) groups() []string {
	if r.auc {
		return []string{r.group, aucGroup}
	}
	return []string{r.group}
}

// atLeast says that large figures are good.
func (r row) atLeast() bool { return r.kind == faster || r.kind == fraction || r.kind == latency }

// result is a row's figure. what names it where a row has several.
type result struct {
	what string
	interval
	rounds  int
	reached bool
}

// errNotMeasured says that a row has no rounds.
var errNotMeasured = errors.New("not measured yet")

// results computes a row from the rounds.
func (r row) results(s *state) ([]result, error) {
	series := func(value func(measurement) float64, name string) []float64 {
		return s.series(r.group, name, value, r.ours, r.theirs)
	}
	var ours, theirs []float64
	seconds := func(m measurement) float64 { return m.Seconds }
	switch r.kind {
	case faster:
		rate := measurement.rate
		if named(r.ours).prompts == named(r.theirs).prompts { // other samples of it perhaps, longer or shorter
			rate = measurement.tokenRate
		}
		ours, theirs = series(rate, r.ours), series(rate, r.theirs)
	case cost:
		ours, theirs = series(seconds, r.ours), series(seconds, r.theirs)
	case fraction:
		ours = series(func(m measurement) float64 { return r.products * m.GFLOP / m.Seconds }, r.ours)
		theirs = series(func(m measurement) float64 { return m.GFLOPS }, r.theirs)
	case memory: // a high-water mark only grows: the last round has it
		ours, theirs = last(series(megabytes, r.ours)), last(series(megabytes, r.theirs))
	case latency:
		return r.latencies(s)
	}
	if len(ours) == 0 {
		return nil, r.missing(s)
	}
	res, err := r.judge("", ours, theirs)
	return []result{res}, err
}

// missing says why a row has no rounds.
func (r row) missing(s *state) error {
	for _, name := range []string{r.ours, r.theirs} {
		if why, gone := s.Absent[name]; gone {
			return fmt.Errorf("not measured: %s: %s", name, why)
		}
	}
	return errNotMeasured
}

func megabytes(m measurement) float64 { return float64(m.Memory) / 1e6 }

func last(v []float64) []float64 { return v[max(0, len(v)-1):] }

// latencies compares the medians and the 99th percentiles of each round.
func (r row) latencies(s *state) ([]result, error) {
	var out []result
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", .5}, {"p99", .99}} {
		value := func(m measurement) float64 { return quantile(m.Latencies, q.at) }
		ours := s.series(r.group, r.ours, value, r.ours, r.theirs)
		theirs := s.series(r.group, r.theirs, value, r.ours, r.theirs)
		if len(ours) == 0 {
			return nil, r.missing(s)
		}
		res, err := r.judge(q.name, theirs, ours)
		if err != nil {
			return nil, err
		}
		out = append(out, res)
	}
	return out, nil
}

// judge makes the figure of paired series.
func (r row) judge(what string, a, b []float64) (result, error) {
	i, err := pairedRatio(a, b)
	if err != nil && !errors.Is(err, errTooFew) {
		return result{}, err
	}
	res := result{what: what, interval: i, rounds: len(a)}
	if res.reached = i.Value >= r.target; !r.atLeast() {
		res.reached = i.Value <= r.target
	}
	return res, nil
}

// certain says whether the whole interval is on the same side of the target as the figure.
func (r result) certain(target float64) bool {
	return !math.IsNaN(r.Low) && (r.Low > target || r.High < target)
}
