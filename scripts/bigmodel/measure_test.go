package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"lsat/internal/randommodel"
)

// tiny is Mistral's shape in small.
func tiny() randommodel.Shape {
	s := shapes["mistral-7b"]
	s.Hidden, s.FFN, s.Layers, s.Heads, s.KVHeads, s.Vocab = 32, 48, 3, 4, 2, 300
	return s
}

func TestMeasureTellsEveryStage(t *testing.T) {
	dir := t.TempDir()
	if err := randommodel.Write(context.Background(), dir, tiny(), randommodel.Options{Seed: 1}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := command(context.Background(), []string{"run", "--device", "go", "--dtype", "f32", "--tokens", "16", dir}, &out); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"open go", "map and hash", "weights to the device", "score, first", "training step 2"} {
		if !strings.Contains(out.String(), s) {
			t.Errorf("no %q in\n%s", s, out.String())
		}
	}
}

func TestBadUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"read"}, {"write"}, {"write", "--shape", "gpt-5", "x"}, {"write", "--layers", "-1", "x"}, {"run", "a", "b"}, {"run", "absent"}} {
		t.Chdir(t.TempDir())
		if err := command(context.Background(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
		if left, _ := os.ReadDir("."); len(left) > 0 {
			t.Errorf("%q leaves %v", args, left)
		}
	}
}
