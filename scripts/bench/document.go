package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"lsat/internal/atomicfile"
)

// writeDocument writes the benchmark's page from the state alone.
func writeDocument(path string, s *state) error {
	text, err := document(s)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, 0o644, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

func document(s *state) (string, error) {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Benchmarks\n")
	p("Written by `%s` on %s (commit %s), on a machine of %d cores.\n", s.Command, s.Date, orDash(s.Commit), s.Machine.Cores)
	p("| | |\n| --- | --- |")
	p("| processor | %s, %d cores, %s |", orDash(s.Machine.CPU), s.Machine.Cores, orDash(strings.Join(s.Machine.Sets, " ")))
	p("| memory | %s |", orDash(s.Machine.Memory))
	where := fmt.Sprintf("(llama.cpp: Q4 as stored) on %d threads", s.Threads)
	if s.Machine.GPU != "" {
		p("| GPU | %s |", s.Machine.GPU)
		where = "on the GPU"
	}
	p("| model | %s, the same weights for all; computed in %s %s |", s.Model, s.DType, where)
	p("| samples | %s, period %d of 0-%d of the newest %d; the AUC on period %d |", s.Data, trained, periods-1, newest, trained+1)
	for _, v := range versions(s) {
		p("| | %s |", v)
	}
	if peak := s.series(scoreGroup, peak, func(m measurement) float64 { return m.GFLOPS }); len(peak) > 0 {
		p("| peak | %.0f GFLOPS: the better of two sizes of square products through XLA, %s, median of %d |", quantile(peak, .5), s.DType, len(peak))
	}
	p("\n## The table\n")
	p("A figure is lsat's over the peer's, paired by round: the geometric mean with its 95%% interval (Student, of the logarithms). Where the interval")
	p("holds the target, the answer is marked with ~.\n")
	p("| row | work | beside | to reach | figure [95%%] | rounds | reached |\n| --- | --- | --- | --- | --- | --- | --- |")
	for _, r := range table {
		if !r.on(s.Device) {
			continue
		}
		if err := rowLines(p, s, r); err != nil {
			return "", err
		}
	}
	p("")
	if err := qualityLines(p, s); err != nil {
		return "", err
	}
	p("\n## Every series\n")
	p("The median and the quartiles over the rounds; GFLOPS are the useful products of frozen weights and of causal attention alone,")
	p("for lsat and llama.cpp with what prompts of a round begin with counted once, for the others as often as it is there.\n")
	p("| group | who | rounds | targets/s | quartiles | GFLOPS | peak memory, MB |\n| --- | --- | --- | --- | --- | --- | --- |")
	for _, c := range contestants {
		seriesLine(p, s, c)
	}
	p("\n## How it is measured\n")
	for _, line := range howTo(s) {
		p("- %s", line)
	}
	return b.String(), nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// versions lists each distinct version once.
func versions(s *state) []string {
	seen := map[string]bool{}
	for name, v := range s.Versions {
		if name == "lsat" {
			v = "lsat on " + v
		}
		seen[v] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func rowLines(p func(string, ...any), s *state, r row) error {
	sign := "≥"
	if !r.atLeast() {
		sign = "≤"
	}
	target := fmt.Sprintf("%s %g", sign, r.target)
	if r.auc {
		target += ", AUC not lower"
	}
	found, err := r.results(s)
	if err != nil {
		p("| %d | %s | %s | %s | %s | 0 | |", r.number, r.work, r.peer, target, oneLine(err))
		return nil
	}
	for _, f := range found {
		answer := map[bool]string{true: "yes", false: "no"}[f.reached]
		if !math.IsNaN(f.Low) && !f.certain(r.target) {
			answer = "~" + answer
		}
		if r.auc {
			c, known, err := s.AUC.compareAUC()
			switch {
			case err != nil:
				return err
			case !known:
				answer += ", AUC not compared"
			case !(c.Difference.Value+1.96*c.Difference.SE >= 0):
				answer = "no, AUC lower"
			}
		}
		p("| %d | %s | %s | %s | %s | %d | %s |", r.number, strings.TrimSpace(r.work+" "+f.what), r.peer, target, figure(f.interval), f.rounds, answer)
	}
	return nil
}

// longestReason is how much of an error, in bytes, a document tells.
const longestReason = 160

// oneLine keeps an error to a table's cell.
func oneLine(err error) string {
	if errors.Is(err, errNotMeasured) {
		return err.Error()
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if len(text) > longestReason {
		text = strings.ToValidUTF8(text[:longestReason], "") + "…"
	}
	return strings.ReplaceAll(text, "|", "/")
}

func figure(i interval) string {
	if math.IsNaN(i.Low) {
		return fmt.Sprintf("%.3g", i.Value)
	}
	return fmt.Sprintf("%.3g [%.3g, %.3g]", i.Value, i.Low, i.High)
}

// qualityLines tell the AUC that rows 4 and 5 are bound to.
func qualityLines(p func(string, ...any), s *state) error {
	c, known, err := s.AUC.compareAUC()
	if err != nil {
		return fmt.Errorf("comparing AUCs: %w", err)
	}
	if !known {
		p("The AUC of rows 4 and 5 is not compared yet.")
		return nil
	}
	p("AUC on the first %d samples of period %d after one epoch over %d samples of period %d: `stream` by lsat %.4f, `tallrec` by PEFT %.4f, difference %+.4f",
		len(s.AUC.Samples), trained+1, s.AUC.Train, trained, c.A.Value, c.B.Value, c.Difference.Value)
	p("[%+.4f, %+.4f] (DeLong, paired). \"Not lower\" means that the interval reaches 0 or more.", c.Difference.Value-1.96*c.Difference.SE,
		c.Difference.Value+1.96*c.Difference.SE)
	return nil
}

func seriesLine(p func(string, ...any), s *state, c contestant) {
	rates := s.series(c.group, c.name, measurement.rate)
	if why, gone := s.Absent[c.name]; gone && len(rates) == 0 {
		p("| %s | %s | 0 | not measured: %s | | | |", c.group, c.name, oneLine(errors.New(why)))
		return
	}
	if len(rates) == 0 || c.name == peak {
		return
	}
	products := 1.0
	if strings.Contains(c.name, "train") || c.name == published {
		products = 2
	}
	flops := s.series(c.group, c.name, func(m measurement) float64 { return products * m.GFLOP / m.Seconds })
	memory := s.series(c.group, c.name, megabytes)
	unit, digits := spreadOf(rates), "%.3g"
	if c.group == startGroup || c.group == rerankGroup {
		unit = spreadOf(s.series(c.group, c.name, func(m measurement) float64 {
			if len(m.Latencies) > 0 {
				return quantile(m.Latencies, .5)
			}
			return m.Seconds
		}))
		digits = "%.3g s"
	}
	gflops := ""
	if c.group != startGroup && c.group != rerankGroup && c.adapters < 2 && !c.kept { // kept: some of the products were done before
		gflops = fmt.Sprintf("%.0f", quantile(flops, .5))
	}
	p("| %s | %s | %d | "+digits+" | %.3g, %.3g | %s | %.0f |", c.group, c.name, len(rates), unit.Median, unit.Q1, unit.Q3, gflops, quantile(memory, 1))
}

// tooLarge says which size a peer could not do.
func tooLarge(w sweep) string {
	if w.TooLarge == "" {
		return ""
	}
	return "; not " + oneLine(errors.New(w.TooLarge))
}

// compiledText says what torch.compile made of a peer.
func compiledText(w sweep) string {
	switch {
	case w.compile():
		return fmt.Sprintf("; with torch.compile, which is used, %.3g", w.Compiled)
	case w.Compiled > 0:
		return fmt.Sprintf("; with torch.compile, which is not used, %.3g", w.Compiled)
	case w.Uncompiled != "":
		return "; torch.compile fails: " + oneLine(errors.New(w.Uncompiled))
	}
	return ""
}

// howTo says what a reader must know to believe the figures.
func howTo(s *state) []string {
	out := []string{
		"Each contestant is a process of its own that stays loaded; a round lets each work once on the round's samples, in an order that rotates, and the others wait. What is compiled on first use is compiled before the first round: what compiles for the lengths of prompts has met those of every round.",
		fmt.Sprintf("All read the same token ids, of one pool of %d samples. What a round measures is a slice of a job over all of them, in the order that suits the program: for PyTorch's the same chunks of 16 prompts of about the same length, from all lengths; for those that compute once what prompts begin with, lsat and llama.cpp (eight slots, a run of neighbours for each) and vLLM, a stretch of %d times as many prompts that are neighbours in the order of their tokens. Ratios between the two are of prompts' tokens in a second, every prompt counted whole, so that one with shorter prompts is no better off. `stream` takes sequences of the same pool, other ones in each round.", pool, sharing),
		"PEFT and Transformers at their best: hidden states at the answer's position and two rows of the head instead of the whole, batches sorted by length, no padding mask, SDPA, inference mode and a merged adapter when scoring, the fastest batch size, torch.compile (with --compile) where that is faster still. They run with the allocator settings that lsat gives itself.",
		"In 8-bit integers: lsat's `quantize: int8`, products of the frozen weights alone, every output's weights and every token's activations with a scale of their own. Transformers in 8-bit integers: PyTorch's dynamic quantization of all the layers' linear modules, which has one scale for all activations of a product. PEFT trains in bfloat16, and so does lsat where nothing else is said.",
		"Over kept states: what the layers below the adapters make of the prompts has been stored before, as it is from a second epoch or strategy on (`Engine.Freeze`); reading it counts.",
		"TALLRec as published: the loss over all tokens, the whole head, batches in random order padded to their longest as the released code does, gradients accumulated.",
		"llama.cpp: its server with eight slots, its prompt cache and an adapter as GGUF, the Q4 file that all weights come from.",
	}
	for _, c := range contestants {
		if why, gone := s.Absent[c.name]; gone && len(s.series(c.group, c.name, measurement.rate)) > 0 {
			out = append(out, fmt.Sprintf("Not in every round: %s: %s.", c.name, oneLine(errors.New(why))))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Sweeps)) {
		w := s.Sweeps[name]
		var tried []string
		for _, n := range slices.Sorted(maps.Keys(w.Tried)) {
			tried = append(tried, fmt.Sprintf("%d: %.3g", n, w.Tried[n]))
		}
		out = append(out, fmt.Sprintf("Batch size of %s: %d (samples/s by size: %s)%s.", name, w.Best, strings.Join(tried, ", "), tooLarge(w)+compiledText(w)))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Apart)) {
		what := "log-odds differ from lsat's on the same prompts by at most"
		if name == peftTrain {
			what = "first training loss differs from lsat's by"
		}
		out = append(out, fmt.Sprintf("Same work: %s: its %s %.2g.", name, what, s.Apart[name]))
	}
	return out
}
