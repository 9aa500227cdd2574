package period

import "slices"

// RangesOf writes a list of samples as ranges, in the list's order. A list that leaves little out, as the training part of a whole period does, is a few
// numbers however many samples it has.
func RangesOf(samples []int) []Range {
	var out []Range
	for _, i := range samples {
		if n := len(out); n > 0 && out[n-1].Hi == i {
			out[n-1].Hi++
			continue
		}
		out = append(out, Range{i, i + 1})
	}
	return slices.Clip(out)
}

// CountSamples is the number of samples in a list of ranges.
func CountSamples(list []Range) int {
	n := 0
	for _, r := range list {
		n += r.Len()
	}
	return n
}

// Expand writes a list of ranges as samples.
func Expand(list []Range) []int {
	out := make([]int, 0, CountSamples(list))
	for _, r := range list {
		for i := r.Lo; i < r.Hi; i++ {
			out = append(out, i)
		}
	}
	return out
}
