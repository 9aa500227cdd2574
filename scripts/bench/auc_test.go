package main

import (
	"errors"
	"math"
	"slices"
	"testing"

	"lsat/prompt"
)

// aucBench has forty samples in each file of prompts, the same for both templates, tallrec's in the other order. Workers answer with half of a
// prompt's number, so that stream ranks the samples as they come and tallrec the other way round.
func aucBench(t *testing.T, score string) *bench {
	t.Helper()
	b := fakeBench(t, t.TempDir(), 1,
		contestant{name: lsatTrainStream, prompts: streamTrain, command: fake("")},
		contestant{name: peftTrain, torch: true, command: fake("")},
		contestant{name: lsatScoreStream, prompts: streamTrain, command: fake("")},
		contestant{name: transformers, torch: true, command: fake(score)})
	b.options.aucTrain, b.options.aucTest = 10, 30
	for name, backwards := range map[string]bool{streamTrain: false, streamTest: false, tallrecTrain: true, tallrecTest: true} {
		f := &file{}
		for i := range 40 {
			f.Sequences = append(f.Sequences, prompt.Sequence{Tokens: []int32{1}, Targets: []prompt.Target{{Sample: int32(100 + i), Label: i >= 15}}})
		}
		if backwards {
			slices.Reverse(f.Sequences)
		}
		b.files[name] = f
	}
	return b
}

func TestAUC(t *testing.T) {
	b := aucBench(t, "")
	if err := b.runAUC(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := readState(b.options.out)
	if err != nil {
		t.Fatal(err)
	}
	// The first 30 of stream, of which the last 15 are liked, and the same samples of tallrec, which are its last 30, in stream's order.
	for name, first := range map[string]float64{lsatScoreStream: 0, transformers: 39. / 2} {
		if got := s.AUC.Scores[name]; len(got) != 30 || got[0] != first || math.Abs(got[29]-got[0]) != 29./2 {
			t.Errorf("%s has the log-odds %v", name, got)
		}
	}
	c, known, err := s.AUC.compareAUC()
	if err != nil || !known || c.A.Value != 1 || c.B.Value != 0 {
		t.Errorf("AUC %v and %v (known %v, %v), want 1 and 0", c.A.Value, c.B.Value, known, err)
	}
	if len(s.AUC.Adapters) != 2 || s.AUC.Train != 10 || s.AUC.Test != 30 {
		t.Errorf("kept is %+v", s.AUC)
	}
	// Nothing is done twice: no worker is needed any more.
	b.options.self = "/does/not/exist"
	if err := b.runAUC(t.Context()); err != nil {
		t.Errorf("the second time: %v", err)
	}
	// Another size is another comparison.
	b.options.aucTest = 20
	if err := b.runAUC(t.Context()); err == nil || errors.Is(err, errPeerFails) {
		t.Errorf("without lsat's worker: %v", err)
	}
}

// What was trained and scored before a peer fails is kept, and used when it does not.
func TestAUCWithoutThePeer(t *testing.T) {
	b := aucBench(t, "dies-1")
	if err := b.runAUC(t.Context()); !errors.Is(err, errPeerFails) {
		t.Fatalf("a peer that dies: %v", err)
	}
	if _, known, err := b.state.AUC.compareAUC(); known || err != nil {
		t.Errorf("compared with nothing: %v, %v", known, err)
	}
	contestants[3].command = fake("")
	for i := range 3 { // lsat's are not asked again, nor is PEFT
		contestants[i].command = fake("refuses")
	}
	if err := b.runAUC(t.Context()); err != nil {
		t.Error(err)
	}
	if _, known, err := b.state.AUC.compareAUC(); !known || err != nil {
		t.Errorf("not compared: %v, %v", known, err)
	}
}
