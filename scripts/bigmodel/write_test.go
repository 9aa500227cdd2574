package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lsat/backbone"
)

// tiny is Mistral's shape in small.
func tiny() shape {
	s := shapes["mistral-7b"]
	s.Hidden, s.FFN, s.Layers, s.Heads, s.KVHeads, s.Vocab = 32, 48, 3, 4, 2, 300
	return s
}

// What is written loads, tokenizer and all, in shards, and is the same for the same seed.
func TestWrittenModelLoads(t *testing.T) {
	ctx := context.Background()
	hashes := map[string]bool{}
	for _, seed := range []uint64{1, 1, 2} {
		dir := t.TempDir()
		if err := writeModel(ctx, dir, tiny(), seed, 20000); err != nil {
			t.Fatal(err)
		}
		shards, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
		if err != nil || len(shards) < 3 {
			t.Fatalf("%d shards, %v", len(shards), err)
		}
		m, err := backbone.Load(ctx, dir, backbone.Options{})
		if err != nil {
			t.Fatal(err)
		}
		hashes[m.Hash] = true
		if ids := m.Tokenizer.Encode("Hé"); len(ids) != 3 || m.Tokenizer.Decode(ids) != "Hé" {
			t.Errorf("the tokenizer reads Hé as %v", ids)
		}
		for name, w := range m.Weights {
			if len(w.Bytes) == 0 || bytes.Equal(w.Bytes, make([]byte, len(w.Bytes))) {
				t.Errorf("%s: not in its file as it is used, or all zeros", name)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(hashes) != 2 {
		t.Errorf("two seeds, one of them twice, gave %d models", len(hashes))
	}
}

func TestMeasureTellsEveryStage(t *testing.T) {
	dir := t.TempDir()
	if err := writeModel(context.Background(), dir, tiny(), 1, 1<<20); err != nil {
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
