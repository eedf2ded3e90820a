"""One-shot face video from 3-D key points, the network inside both SadTalker and LivePortrait."""
