package engine

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"lsat/prompt"
)

// ErrBatchTooSmall says that the row of a sequence is longer than a whole batch may be.
var ErrBatchTooSmall = errors.New("batch is too small for a sequence")

// checkRows refuses sequences whose rows are longer than the batches that the caller asked for.
func (e *Engine) checkRows(seqs []prompt.Sequence) error {
	if e.longest == 0 {
		return nil
	}
	for i := range seqs {
		if row := powerOfTwo(len(seqs[i].Tokens), e.options.RowTokens); row > e.longest {
			return fmt.Errorf("engine: sequence %d has %d tokens and needs a row of %d, a batch has %d: raise batch_tokens to %d, or shorten the sequences: %w",
				i, len(seqs[i].Tokens), row, e.longest, row, ErrBatchTooSmall)
		}
	}
	return nil
}

// ParseMemory reads a limit of memory as people write it: "auto" or nothing for 0, Options' own default; "off" for -1, no limit; or a
// number with a unit of bytes: "512MB", "20 GB", "16GiB".
func ParseMemory(s string) (int64, error) {
	switch s = strings.ToLower(strings.TrimSpace(s)); s {
	case "", "auto":
		return 0, nil
	case "off":
		return -1, nil
	}
	for _, u := range []struct {
		name  string
		bytes float64
	}{{"gib", 1 << 30}, {"mib", 1 << 20}, {"tb", 1e12}, {"gb", 1e9}, {"mb", 1e6}} {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v > 0) || v*u.bytes >= math.MaxInt64/8 {
			break
		}
		return max(1, int64(v*u.bytes)), nil
	}
	return 0, fmt.Errorf("memory limit %q: use auto, off, or a size such as 16GB or 16GiB", s)
}
