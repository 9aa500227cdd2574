package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"lsat/adapter"
	"lsat/device"
	"lsat/prompt"
)

func TestRowsLongerThanABatchAreRefused(t *testing.T) {
	b, _, _, err := device.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	m := randomModel(smallConfigs()["llama"], 5)
	sequence := func(n int) []prompt.Sequence {
		return []prompt.Sequence{{Tokens: []int32{1}}, {Tokens: make([]int32, n), Targets: []prompt.Target{{Position: 3}}}}
	}
	e := newEngine(t, m, b, Options{RowTokens: 64, BatchTokens: 100})
	if _, err := e.Score(ctx, sequence(64), answers, nil, nil); err != nil {
		t.Errorf("64 tokens in batches of 100: %v", err)
	}
	_, err = e.Score(ctx, sequence(65), answers, nil, nil)
	if !errors.Is(err, ErrBatchTooSmall) || !strings.Contains(err.Error(), "sequence 1 has 65 tokens and needs a row of 128, a batch has 100: raise batch_tokens to 128") {
		t.Errorf("65 tokens in batches of 100: %v", err)
	}
	a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Gradient(ctx, sequence(65), answers, a, 0, 0, make([]float32, a.NumParameters())); !errors.Is(err, ErrBatchTooSmall) {
		t.Errorf("training on 65 tokens in batches of 100: %v", err)
	}
	// Where nothing is asked for, a long sequence gets the row that it needs.
	open := newEngine(t, m, b, Options{RowTokens: 64})
	if _, err := open.Score(ctx, sequence(2100), answers, nil, nil); err != nil {
		t.Errorf("2100 tokens in batches of any size: %v", err)
	}
	for _, o := range []Options{{RowTokens: -1}, {RowTokens: 128, BatchTokens: 64}, {BatchTokens: -5}, {BatchTokens: 511}} {
		if _, err := New(ctx, m, b, o); err == nil || !strings.Contains(err.Error(), "a row must fit a batch") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestParseMemory(t *testing.T) {
	for s, want := range map[string]int64{"": 0, "auto": 0, "off": -1, " OFF ": -1, "16GB": 16e9, "1.5 gib": 3 << 29, "512MB": 512e6, "1TB": 1e12, "3 MiB": 3 << 20} {
		if got, err := ParseMemory(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"0GB", "-1GB", "16", "GB", "1e300GB", "NaNGB", "lots", "16 G B"} {
		if got, err := ParseMemory(s); err == nil {
			t.Errorf("%q is read as %d", s, got)
		}
	}
}
