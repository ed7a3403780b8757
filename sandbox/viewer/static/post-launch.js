// Sends the launch by POST as soon as the page is there.

document.getElementById("post-launch").submit();
