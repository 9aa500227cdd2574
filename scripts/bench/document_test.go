package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"lsat/device"
)

var update = flag.Bool("update", false, "write testdata/document.md anew")

// madeUp is a state with every kind of row: each list gives a contestant's targets a second (or what the group measures) by round.
func madeUp() *state {
	s := newState("", "key")
	s.Command, s.Commit, s.Date = "make bench", "abc1234", "2026-01-02"
	s.Machine = machine{CPU: "A processor", Cores: 2, Sets: []string{"avx2"}, Memory: "8 GB"}
	s.Data, s.Model, s.Device, s.DType, s.Threads = "ML-1M", "tiny (0123456789ab)", device.XLACPU, "bf16", 2
	s.Versions = map[string]string{"lsat": "xla:cpu", peftTrain: "torch 2", transformers: "torch 2", llamaScore: "llama.cpp 1"}
	rates := func(group, name string, list ...float64) {
		for i, v := range list {
			if len(s.Rounds[group]) == i {
				s.Rounds[group] = append(s.Rounds[group], round{})
			}
			m := measurement{Seconds: 10, size: size{Targets: int(10 * v), Tokens: int(1000 * v), GFLOP: 20 * v}, Memory: int64(1e9 + 1e8*float64(i))}
			if name == peak {
				m = measurement{Seconds: 1, GFLOPS: v}
			}
			s.Rounds[group][i][name] = m
		}
	}
	rates(trainGroup, lsatTrainTallrec, 30, 32, 31)
	rates(trainGroup, peftTrain, 10, 10.5, 10.2)
	rates(trainGroup, published, 15, 15, 15)
	rates(trainGroup, lsatTrainStream, 300, 330, 310)
	rates(trainGroup, peak, 200, 200, 200)
	rates(scoreGroup, lsatScoreTallrec, 20, 16, 24)
	rates(scoreGroup, transformers, 11, 11, 11)
	rates(scoreGroup, lsatScoreStream, 100, 200, 130)
	rates(scoreGroup, llamaScore, 4, 4.1)
	rates(scoreGroup, peak, 100)
	s.Rounds[rerankGroup] = []round{
		{lsatRerank: {Seconds: 3, Latencies: []float64{1, 2}}, llamaRerank: {Seconds: 19, Latencies: []float64{9, 10}}},
		{lsatRerank: {Seconds: 3, Latencies: []float64{1, 2}}, llamaRerank: {Seconds: 20, Latencies: []float64{9.5, 10.5}}},
	}
	s.Absent[llamaScore] = "round 3: llama.cpp score tallrec ended before it answered\nexit status 1"
	s.Absent[peftStart] = "no torch | at all"
	s.Sweeps[peftTrain] = sweep{Best: 4, Tried: map[int]float64{1: 9, 2: 10, 4: 10.4}, Compiled: 12}
	s.Apart[transformers], s.Apart[peftTrain] = .0123, .0004
	return s
}

// lines are the lines of a document that start a table's row of that number.
func rowsOf(t *testing.T, s *state, number string) []string {
	t.Helper()
	text, err := document(s)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = strings.Cut(text, "## The table")
	text, _, _ = strings.Cut(text, "## Every series")
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| "+number+" |") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// Every answer of the table. Figures are worked out by hand, their intervals by scipy 1.17.1 (scipy.stats.t.interval of the logarithms).
func TestRows(t *testing.T) {
	s := madeUp()
	for number, want := range map[string][]string{
		// (30*32*31 / (10*10.5*10.2))^(1/3) is 3.029, with nothing near 2.
		"1": {"| ≥ 2 | 3.03 [2.97, 3.09] | 3 | yes |", "over kept states | PEFT at its best | ≥ 2 | not measured yet | 0 | |",
			"| the same | PEFT at its best, adapters of the upper 18 layers | ≥ 2 | not measured yet | 0 | |", "in 8-bit integers | PEFT at its best | ≥ 2 | not measured yet | 0 | |"},
		// (30*32*31)^(1/3) / 15 is 2.066.
		"2": {"| ≥ 3.5 | 2.07 [1.91, 2.24] | 3 | no |", "over kept states | TALLRec as published | ≥ 3.5 | not measured yet | 0 | |", "in 8-bit integers | TALLRec as published | ≥ 3.5 | not measured yet | 0 | |"},
		// (20*16*24)^(1/3) / 11 is 1.794; rounds so far apart leave 1.6 inside. llama.cpp did two rounds: (20*16 / (4*4.1))^(1/2) is 4.417.
		"3": {"| ≥ 1.6 | 1.79 [1.08, 2.97] | 3 | ~yes |", "Transformers at its best | ≥ 1.6 | not measured yet | 0 | |", "Transformers in 8-bit integers | ≥ 1.6 | not measured yet | 0 | |",
			"| ≥ 4 | 4.42 [0.915, 21.3] | 2 | ~yes |", "llama.cpp, Q4 | ≥ 4 | not measured"},
		"4": {"| ≥ 20, AUC not lower | 30.6 [28.8, 32.5] | 3 | yes, AUC not compared |"},
		// (100*200*130)^(1/3) / 11 is 12.5, and 15 could be.
		"5": {"| ≥ 15, AUC not lower | 12.5 [5.24, 29.8] | 3 | ~no, AUC not compared |"},
		// Medians 9.5 and 10 over 1.5; 99th percentiles 9.99 and 10.49 over 1.99.
		"6": {"candidates p50 | llama.cpp's server, prompt cache, 8 slots | ≥ 5 | 6.5 [4.69, 9] | 2 | ~yes |", "p99 | llama.cpp's server, prompt cache, 8 slots | ≥ 5 | 5.14 [3.77, 7.02] | 2 | ~yes |"},
		"7": {"| score, two adapters, seconds | lsat, one adapter | ≤ 1.7 | not measured yet | 0 | |", "of the upper 18 of 30 layers | lsat, one adapter | ≤ 1.7 | not measured yet | 0 | |"},
		// One round: no interval. 20 targets of 2 GFLOP of 100 and 100 of 2; for training two products of 31 times 2 GFLOP of 200.
		"8":  {"| ≥ 0.55 | 0.4 | 1 | no |", "| ≥ 0.55 | 2 | 1 | yes |", "| ≥ 0.45 | 0.62 [0.572, 0.672] | 3 | yes |", "| ≥ 0.45 | 6.26 [5.55, 7.06] | 3 | yes |"},
		"9":  {"| ≤ 0.5 | 1 | 1 | no |", "over kept states | PEFT at its best | ≤ 0.5 | not measured yet | 0 | |", "in 8-bit integers, peak memory | PEFT at its best | ≤ 0.5 | not measured yet | 0 | |"},
		"10": {"| ≤ 1 | not measured: PEFT start: no torch / at all | 0 | |"},
	} {
		got := rowsOf(t, s, number)
		if len(got) != len(want) {
			t.Errorf("row %s: %q, want %d lines", number, got, len(want))
			continue
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("row %s is\n%s\nwant in it\n%s", number, got[i], want[i])
			}
		}
	}
}

// Prompts that are twice as long count twice beside prompts of the same kind, and one for one beside others.
func TestRowsCountPromptsByTheirLength(t *testing.T) {
	s := madeUp()
	for _, r := range s.Rounds[trainGroup] {
		for _, name := range []string{lsatTrainTallrec, lsatTrainStream} {
			m := r[name]
			m.Tokens *= 2
			r[name] = m
		}
	}
	for number, want := range map[string]string{"1": "| ≥ 2 | 6.06 [", "4": "| ≥ 20, AUC not lower | 30.6 ["} {
		if got := rowsOf(t, s, number); len(got) == 0 || !strings.Contains(got[0], want) {
			t.Errorf("row %s is %q, want %s", number, got, want)
		}
	}
}

// The AUC decides rows 4 and 5 whatever their speed: 40 samples that one side ranks perfectly and the other by chance.
func TestRowsWithTheAUC(t *testing.T) {
	s := madeUp()
	s.AUC = &quality{Train: 10, Test: 40, Scores: map[string][]float64{}}
	var good, chance []float64
	for i := range 40 {
		s.AUC.Samples = append(s.AUC.Samples, int32(i))
		s.AUC.Labels = append(s.AUC.Labels, i%2 == 0)
		good = append(good, float64(1-i%2)+float64(i)/100)
		chance = append(chance, float64(i*7%40))
	}
	for _, c := range []struct {
		ours, theirs []float64
		row4, row5   string
	}{
		{chance, good, "| no, AUC lower |", "| no, AUC lower |"},
		{good, chance, "| yes |", "| ~no |"},
		{good, good, "| yes |", "| ~no |"},
		{good[:20], good, "| yes, AUC not compared |", "| ~no, AUC not compared |"},
	} {
		s.AUC.Scores[lsatScoreStream], s.AUC.Scores[transformers] = c.ours, c.theirs
		if got := rowsOf(t, s, "4"); !strings.HasSuffix(got[0], c.row4) {
			t.Errorf("row 4 is %s, want %s", got[0], c.row4)
		}
		if got := rowsOf(t, s, "5"); !strings.HasSuffix(got[0], c.row5) {
			t.Errorf("row 5 is %s, want %s", got[0], c.row5)
		}
	}
}

// The whole page, as it was read and found right; -update writes it anew.
func TestDocument(t *testing.T) {
	const path = "testdata/document.md"
	got, err := document(madeUp())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the document is\n%s\nwant\n%s", got, want)
	}
	out := t.TempDir() + "/page.md"
	if err := writeDocument(out, madeUp()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(out); err != nil || string(text) != got {
		t.Errorf("the file holds %d bytes (%v), want %d", len(text), err, len(got))
	}
}
